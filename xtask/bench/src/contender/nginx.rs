//! Debian's nginx as it would be set up by someone who wants it fast: one worker, connections to the provider kept.

use super::process::{POLL, Process, START_MAX, ending_with_us};
use crate::{measure, site, tls};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Start it; gives the master, and the ids of master and worker.
pub(super) fn start(folder: &Path) -> Result<(Process, Vec<u32>)> {
    let program = find().context("nginx is not installed (package nginx-light)")?;
    let folder = folder.join("nginx");
    fs::create_dir_all(folder.join("temp"))?;
    let config = folder.join("nginx.conf");
    fs::write(&config, configuration(&folder))?;
    let mut command = ending_with_us(&program);
    command.arg("-p").arg(&folder).arg("-c").arg(&config);
    let master = Process::server("nginx", command, site::NGINX)?;
    // The master listens before it has a worker.
    let start = Instant::now();
    let mut workers = measure::children(master.id());
    while workers.is_empty() && start.elapsed() < START_MAX {
        std::thread::sleep(POLL);
        workers = measure::children(master.id());
    }
    ensure!(workers.len() == 1, "nginx has {} workers", workers.len());
    let pids = std::iter::once(master.id()).chain(workers).collect();
    Ok((master, pids))
}

fn find() -> Option<PathBuf> {
    ["/usr/sbin/nginx", "/usr/bin/nginx"].into_iter().map(PathBuf::from).find(|path| path.exists())
}

fn configuration(folder: &Path) -> String {
    let (at, name, listen, provider) = (folder.display(), tls::NAME, site::NGINX, site::PROVIDER);
    let keys = folder.parent().unwrap_or(folder).display();
    format!(
        "daemon off;
user root;
worker_processes 1;
pid {at}/nginx.pid;
error_log stderr error;
events {{ worker_connections 16384; }}
http {{
  access_log {at}/access.log;
  client_body_temp_path {at}/temp/body;
  proxy_temp_path {at}/temp/proxy;
  fastcgi_temp_path {at}/temp/fastcgi;
  uwsgi_temp_path {at}/temp/uwsgi;
  scgi_temp_path {at}/temp/scgi;
  keepalive_requests 100000000;
  keepalive_timeout 300s;
  client_max_body_size 0;
  upstream provider {{
    server {provider};
    keepalive 64;
    keepalive_requests 100000000;
  }}
  server {{
    listen {listen} ssl backlog=4096;
    server_name {name};
    ssl_certificate {keys}/cert.pem;
    ssl_certificate_key {keys}/key.pem;
    ssl_protocols TLSv1.2 TLSv1.3;
    location / {{
      proxy_pass https://provider;
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
      proxy_set_header Host $host;
      proxy_buffering off;
      proxy_request_buffering off;
      proxy_read_timeout 300s;
      proxy_ssl_protocols TLSv1.2 TLSv1.3;
      proxy_ssl_server_name on;
      proxy_ssl_name {name};
      proxy_ssl_verify on;
      proxy_ssl_trusted_certificate {keys}/ca.pem;
    }}
  }}
}}
"
    )
}
