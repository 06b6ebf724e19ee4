//! Real clients against a real server: each must accept our leaf, and still accept what it trusted before.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output};
use std::sync::Arc;
use std::thread;

use super::*;
use crate::testing::skip;

/// Answers one request per connection for ever; the thread ends with the test process.
fn serve(authority: &Authority, name: &str) -> u16 {
    let leaf = authority.leaf(name).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::aws_lc_rs::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_no_client_auth()
    .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from((*leaf).clone())));
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut socket in listener.incoming().filter_map(Result::ok) {
            let mut server = rustls::ServerConnection::new(config.clone()).unwrap();
            let mut stream = rustls::Stream::new(&mut server, &mut socket);
            let mut request = [0; 4096];
            // A client that refuses the certificate ends here; the next one is served all the same.
            if stream.read(&mut request).is_ok_and(|length| length > 0) {
                let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
                let _ = stream.write_all(answer.as_bytes());
                server.send_close_notify();
                let _ = server.complete_io(&mut socket);
            }
        }
    });
    port
}

/// Two servers: one as the agent would be, one as a corporate host whose root the user configured.
struct Scene {
    trust: Trust,
    openai: u16,
    corporate: u16,
    stranger: u16,
    /// Name and port to reach each.
    _theirs: tempfile::NamedTempFile,
}

impl Scene {
    /// `variable` is where the user keeps the corporate root.
    fn with(variable: &str) -> Scene {
        let (ours, theirs, strangers) = (authority(), authority(), authority());
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), theirs.root_pem()).unwrap();
        Scene {
            trust: deliver(ours.root_pem(), &[(variable, file.path().to_str().unwrap())]),
            openai: serve(&ours, "api.openai.com"),
            corporate: serve(&theirs, "corporate.example"),
            stranger: serve(&strangers, "api.openai.com"),
            _theirs: file,
        }
    }

    /// `call` makes the command for a name and a port; it prints "ok" when the server was trusted.
    fn check(&self, call: impl Fn(&str, u16) -> Command) {
        for (name, port, trusted) in [
            ("api.openai.com", self.openai, true),
            ("corporate.example", self.corporate, true),
            ("api.openai.com", self.stranger, false),
        ] {
            let mut command = call(name, port);
            for variable in
                EVERY_VARIABLE.into_iter().chain(["SSL_CERT_DIR", "HTTPS_PROXY", "https_proxy"])
            {
                command.env_remove(variable);
            }
            let Output { status, stdout, stderr } =
                command.envs(self.trust.variables()).output().unwrap();
            let (text, error) =
                (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
            assert_eq!(text.trim() == "ok", trusted, "{name}: {status} {text} {error}");
        }
    }
}

fn missing(program: &str, arguments: &[&str]) -> bool {
    let works =
        Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success());
    if !works {
        skip(&format!("{program} {} does not run on this machine", arguments.join(" ")));
    }
    !works
}

#[test]
fn curl() {
    if missing("curl", &["--version"]) {
        return;
    }
    for variable in ["SSL_CERT_FILE", "CURL_CA_BUNDLE"] {
        Scene::with(variable).check(|name, port| {
            let mut command = Command::new("curl");
            command.args([
                "-sS",
                "--noproxy",
                "*",
                "--resolve",
                &format!("{name}:{port}:127.0.0.1"),
            ]);
            command.arg(format!("https://{name}:{port}/"));
            command
        });
    }
}

/// Every name is 127.0.0.1 for this Python.
const PYTHON_HOSTS: &str = "\
import socket, sys
name, port = sys.argv[1], int(sys.argv[2])
lookup = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **more: lookup('127.0.0.1', *rest, **more)
url = f'https://{name}:{port}/'
";

/// The first Python that has the module: the user's, or the distribution's.
fn python_with(module: &str) -> Option<&'static str> {
    let import = format!("import {module}");
    let found = ["python3", "/usr/bin/python3"].into_iter().find(|python| {
        let output = Command::new(python).args(["-c", &import]).output();
        output.is_ok_and(|output| output.status.success())
    });
    if found.is_none() {
        skip(&format!("no Python with {module} on this machine"));
    }
    found
}

fn python(module: &str, code: &str, variables: &[&str]) {
    let Some(python) = python_with(module) else { return };
    for variable in variables {
        Scene::with(variable).check(|name, port| {
            let mut command = Command::new(python);
            let code = format!("{PYTHON_HOSTS}import {module}; print({code})");
            command.args(["-c", &code, name, &port.to_string()]);
            command
        });
    }
}

#[test]
fn python_urllib() {
    python("urllib.request", "urllib.request.urlopen(url).read().decode()", &["SSL_CERT_FILE"]);
}

#[test]
fn python_requests() {
    python("requests", "requests.get(url).text", &["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"]);
}

#[test]
fn python_httpx() {
    python("httpx", "httpx.get(url).text", &["SSL_CERT_FILE"]);
}

#[test]
fn node() {
    if missing("node", &["--version"]) {
        return;
    }
    const CLIENT: &str = "\
const [name, port] = process.argv.slice(1);
const lookup = (host, options, done) => options.all ? done(null, [{address: '127.0.0.1', family: 4}]) : done(null, '127.0.0.1', 4);
require('https').get({host: name, port, lookup}, answer => answer.pipe(process.stdout)).on('error', error => { console.error(error); process.exit(1) });
";
    Scene::with("NODE_EXTRA_CA_CERTS").check(|name, port| {
        let mut command = Command::new("node");
        command.args(["-e", CLIENT, name, &port.to_string()]);
        command
    });
}

const JAVA_CLIENT: &str = "\
import java.net.URI;
import java.net.http.*;
class Client {
    public static void main(String[] arguments) throws Exception {
        var uri = URI.create(\"https://\" + arguments[0] + \":\" + arguments[1] + \"/\");
        var answer = HttpClient.newHttpClient().send(HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.ofString());
        System.out.println(answer.body());
    }
}
";

/// Java reads no PEM: the corporate root comes from `SSL_CERT_FILE`, whose certificates go into the store too.
#[test]
fn java() {
    if missing("java", &["-version"]) {
        return;
    }
    let directory = TempDir::new().unwrap();
    let (source, hosts) = (directory.path().join("Client.java"), directory.path().join("hosts"));
    fs::write(&source, JAVA_CLIENT).unwrap();
    fs::write(&hosts, "127.0.0.1 api.openai.com corporate.example\n").unwrap();
    Scene::with("SSL_CERT_FILE").check(|name, port| {
        let mut command = Command::new("java");
        command.arg(format!("-Djdk.net.hosts.file={}", hosts.display()));
        command.arg(&source).args([name, &port.to_string()]);
        command
    });
}
