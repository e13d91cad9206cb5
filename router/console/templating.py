"""Pages from templates: everything is escaped, and a missing variable is an error."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from router.console.charts import HEIGHT, WIDTH
from router.console.views import text

_FOLDER = Path(__file__).parent
STATIC = _FOLDER / "static"

_environment = Environment(
    loader=FileSystemLoader(_FOLDER / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
_environment.filters |= {"age": text.age, "size": text.size, "moment": text.moment}
_environment.globals |= {"chart_width": WIDTH, "chart_height": HEIGHT}


def page(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a page."""
    values |= {"path": request.url.path, "is_logged_in": getattr(request.state, "session", None) is not None}
    return HTMLResponse(_environment.get_template(template).render(values), status)
