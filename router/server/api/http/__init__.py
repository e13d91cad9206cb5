"""The HTTP API: the gRPC methods as JSON, form or FreeSWITCH's XML, and what their answers mean to a switch."""
