//! The JSON Schema of the file, for editors. Mirrors the file's shape; a test holds it to what the reader accepts.

use schemars::{JsonSchema, schema_for};

/// The schema as JSON.
pub fn schema() -> serde_json::Value {
    schema_for!(RawConfig).to_value()
}

/// The configuration of weir. Every key may be left out.
#[derive(JsonSchema)]
#[schemars(title = "weir.yaml", deny_unknown_fields)]
#[expect(dead_code, reason = "its shape is what is used")]
struct RawConfig {
    capture: Option<RawCapture>,
    /// Self-hosted servers that speak a known dialect, beside the built-in providers.
    providers: Option<Vec<RawProvider>>,
    upstream: Option<RawUpstream>,
    observe: Option<RawObserve>,
    records: Option<RawRecords>,
    ca: Option<RawCa>,
    /// Worker threads. Default: one per processor.
    #[schemars(range(min = 1, max = 1024))]
    threads: Option<u16>,
    log: Option<RawLog>,
    /// How long exchanges in flight may take after SIGTERM. Default: 30s.
    drain_timeout: Option<RawDuration>,
}

/// Which connections are captured, and how.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "its shape is what is used")]
struct RawCapture {
    /// Absolute path of a cgroup v2 directory. Default: the whole node.
    #[schemars(regex(pattern = "^/"))]
    cgroup: Option<String>,
    /// What becomes of new connections while the agent is not there: they go direct (open, the default) or are refused.
    fail_mode: Option<RawFailMode>,
    /// Destination ports that are captured. Default: [443].
    #[schemars(length(min = 1), inner(range(min = 1)))]
    ports: Option<Vec<u16>>,
    /// LLM names beside those of the providers: a host name, or *.name for everything below it.
    #[schemars(length(min = 1))]
    names: Option<Vec<RawName>>,
    /// How often the configured names are resolved. Default: 30s.
    resolve_interval: Option<RawDuration>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "its shape is what is used")]
struct RawProvider {
    #[schemars(regex(pattern = "^[a-z0-9-]{1,63}$"))]
    name: String,
    #[schemars(length(min = 1))]
    hosts: Vec<RawName>,
    /// Whose wire format the server speaks.
    dialect: RawDialect,
}

/// Connections to providers.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "its shape is what is used")]
struct RawUpstream {
    /// PEM files of authorities that are trusted beside the system's.
    #[schemars(inner(length(min = 1)))]
    extra_roots: Option<Vec<String>>,
    /// Default: 10s.
    connect_timeout: Option<RawDuration>,
    /// How long an unused connection is kept. Default: 30s.
    idle_timeout: Option<RawDuration>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "its shape is what is used")]
struct RawObserve {
    /// Longer bodies are forwarded and marked unobserved. Default: 16MiB.
    body_limit: Option<RawSize>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "its shape is what is used")]
struct RawRecords {
    /// Records are appended to this file as JSON lines.
    #[schemars(length(min = 1))]
    file: Option<String>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "its shape is what is used")]
struct RawCa {
    /// Where the authority's keys and certificates are kept. Default: /var/lib/weir/ca.
    #[schemars(regex(pattern = "^/"))]
    directory: Option<String>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "its shape is what is used")]
struct RawLog {
    /// Default: info.
    level: Option<RawLogLevel>,
    /// Default: text.
    format: Option<RawLogFormat>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
#[expect(dead_code, reason = "its shape is what is used")]
enum RawFailMode {
    Open,
    Closed,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
#[expect(dead_code, reason = "its shape is what is used")]
enum RawDialect {
    Openai,
    Anthropic,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
#[expect(dead_code, reason = "its shape is what is used")]
enum RawLogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
#[expect(dead_code, reason = "its shape is what is used")]
enum RawLogFormat {
    Text,
    Json,
}

/// A whole number and a unit: 500ms, 10s, 5m, 1h.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "its shape is what is used")]
struct RawDuration(#[schemars(regex(pattern = "^[0-9]+ *(ms|s|m|h)$"))] String);

/// A whole number and a unit: 512B, 64KiB, 16MiB.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "its shape is what is used")]
struct RawSize(#[schemars(regex(pattern = "^[0-9]+ *(B|KiB|MiB|GiB|kB|MB|GB)$"))] String);

/// A host name, or `*.` and a host name.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "its shape is what is used")]
struct RawName(
    #[schemars(regex(pattern = r"^(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?$"))] String,
);
