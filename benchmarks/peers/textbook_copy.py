"""A straightforward warm-up: read every document, parse it, and SET it in Redis; one database after the other."""

import argparse
from base64 import b64encode
from http.client import HTTPConnection
from urllib.parse import quote, urlsplit

import orjson
import redis

_BATCH_SIZE = 1000


def main() -> None:
    """Run it."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--couchdb-url", required=True)
    options.add_argument("--redis-url", required=True)
    options.add_argument("databases", nargs="+")
    given = options.parse_args()
    url = urlsplit(given.couchdb_url)
    headers = {"Authorization": "Basic " + b64encode(f"{url.username}:{url.password}".encode()).decode()}
    database = HTTPConnection(str(url.hostname), url.port)
    client = redis.Redis.from_url(given.redis_url)
    for name in given.databases:
        database.request("GET", f"/{quote(name, safe='')}/_all_docs?include_docs=true", headers=headers)
        rows = orjson.loads(database.getresponse().read())["rows"]
        for start in range(0, len(rows), _BATCH_SIZE):
            with client.pipeline(transaction=False) as batch:
                for row in rows[start : start + _BATCH_SIZE]:
                    batch.set(f"copy:{row['id']}", orjson.dumps(row["doc"]))
                batch.execute()


if __name__ == "__main__":
    main()
