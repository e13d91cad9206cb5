"""Views: the content of the pages, made from the responses of the services, without I/O."""
