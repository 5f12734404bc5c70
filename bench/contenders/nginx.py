"""nginx as a plain reverse proxy in one process: what a relay costs in C."""

import shutil
from pathlib import Path

_CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 1000000000;
  upstream provider {{ server 127.0.0.1:{upstream_port}; keepalive 128; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://provider;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }}
  }}
}}
"""


def find() -> str | None:
    """Where nginx is; Debian keeps it out of users' search paths."""
    return shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")


def command(port: int, upstream_port: int, folder: Path) -> list[str]:
    """Write the configuration into the folder; the command that serves it."""
    folder.mkdir()
    file = folder / "nginx.conf"
    file.write_text(_CONFIGURATION.format(port=port, upstream_port=upstream_port, folder=folder))
    return [find() or "nginx", "-p", str(folder), "-c", str(file), "-e", "stderr"]
