#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use serde_json::Value;

use super::*;

/// The whole message, or messages, of a wrong file.
fn wrong(text: &str, expected: &[&str]) {
    let errors = parse(text, "weir.yaml").expect_err(text);
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(errors, expected, "{text}");
}

fn right(text: &str) -> Config {
    parse(text, "weir.yaml").unwrap_or_else(|errors| panic!("{text}: {errors:?}"))
}

const EVERY_KEY: &str = "\
capture:
  cgroup: /sys/fs/cgroup/weir
  fail_mode: closed
  ports: [443, 8443]
  names: [llm.internal.example, \"*.llm.example\"]
  resolve_interval: 1m
providers:
  - name: my-vllm
    hosts: [vllm.internal.example]
    dialect: openai
  - { name: other, hosts: [\"*.other.example\"], dialect: anthropic }
upstream:
  extra_roots: [corporate.pem, /etc/ssl/more.pem]
  connect_timeout: 500ms
  idle_timeout: 1h
observe:
  body_limit: 64KiB
records:
  file: records.jsonl
ca:
  directory: /etc/weir/ca
threads: 2
log: { level: debug, format: json }
drain_timeout: 5 s
";

#[test]
fn nothing_is_a_valid_configuration() {
    for text in [
        "",
        "\n",
        "# only a comment\n",
        "{}",
        "---\n",
        "~",
        "capture:\n",
        "capture: {}\nthreads:\n",
    ] {
        assert_eq!(right(text), Config::default(), "{text:?}");
    }
}

#[test]
fn every_key_is_read() {
    let config = right(EVERY_KEY);
    let exact = |name: &str| NameRule::Exact(name.to_owned());
    let below = |name: &str| NameRule::Suffix(name.to_owned());
    let expected = Config {
        capture: Capture {
            cgroup: Some("/sys/fs/cgroup/weir".into()),
            fail_mode: FailMode::Closed,
            ports: [443, 8443].into_iter().filter_map(NonZeroU16::new).collect(),
            names: vec![exact("llm.internal.example"), below("llm.example")],
            resolve_interval: Duration::from_secs(60),
        },
        providers: vec![
            Provider {
                name: "my-vllm".into(),
                hosts: vec![exact("vllm.internal.example")],
                dialect: Dialect::Openai,
            },
            Provider {
                name: "other".into(),
                hosts: vec![below("other.example")],
                dialect: Dialect::Anthropic,
            },
        ],
        upstream: Upstream {
            extra_roots: vec!["corporate.pem".into(), "/etc/ssl/more.pem".into()],
            connect_timeout: Duration::from_millis(500),
            idle_timeout: Duration::from_secs(3600),
        },
        observe: Observe { body_limit: 64 * 1024 },
        records: Records { file: Some("records.jsonl".into()) },
        ca: Ca { directory: "/etc/weir/ca".into() },
        threads: NonZeroUsize::new(2),
        log: Log { level: LogLevel::Debug, format: LogFormat::Json },
        drain_timeout: Duration::from_secs(5),
    };
    assert_eq!(config, expected);
}

#[test]
fn json_is_yaml() {
    let fail_mode = right("{\"capture\": {\"fail_mode\": \"closed\"}}").capture.fail_mode;
    assert_eq!(fail_mode, FailMode::Closed);
}

#[test]
fn every_error_is_told_at_once_in_the_order_of_the_file() {
    wrong(
        "threads: 0\ncapture:\n  fail_mode: opne\n  ports: [70000]\n  names: [\"*.com\", ok.example, \"\"]\nlog: { level: loud }\nportt: 1\n",
        &[
            "weir.yaml:1:10: threads: 0 is out of range; use 1 to 1024",
            "weir.yaml:3:14: capture.fail_mode: \"opne\" is not a fail mode; use open or closed",
            "weir.yaml:4:11: capture.ports[0]: 70000 is out of range; use 1 to 65535",
            "weir.yaml:5:11: capture.names[0]: \"*.com\" covers a whole top-level domain",
            "weir.yaml:5:32: capture.names[2]: is empty; write a host name such as llm.internal.example or *.llm.example",
            "weir.yaml:6:15: log.level: \"loud\" is not a log level; use error, warn, info, debug or trace",
            "weir.yaml:7:1: portt: is not a key here; use capture, providers, upstream, observe, records, ca, threads, log or drain_timeout",
        ],
    );
}

#[test]
fn what_is_not_yaml_says_where() {
    wrong("capture: [", &["weir.yaml:1:10: not YAML: unclosed bracket '['"]);
    wrong("a: b: c", &["weir.yaml:1:5: not YAML: mapping values are not allowed in this context"]);
    wrong("threads: *x", &["weir.yaml:1:10: not YAML: alias references unknown anchor"]);
}

#[test]
fn wrong_shapes() {
    wrong("- 1", &["weir.yaml:1:1: a list is not a section; write keys and values below it"]);
    wrong(
        "capture",
        &["weir.yaml:1:1: \"capture\" is not a section; write keys and values below it"],
    );
    wrong(
        "log: info",
        &["weir.yaml:1:6: log: \"info\" is not a section; write keys and values below it"],
    );
    wrong(
        "capture:\n  ports: 443\n",
        &[
            "weir.yaml:2:10: capture.ports: 443 is not a list; write [a, b] or one \"- item\" a line",
        ],
    );
    wrong(
        "providers: {name: a}",
        &[
            "weir.yaml:1:12: providers: a section is not a list; write [a, b] or one \"- item\" a line",
        ],
    );
    wrong(
        "providers: [x]",
        &["weir.yaml:1:13: providers[0]: \"x\" is not a section; write keys and values below it"],
    );
    wrong(
        "records: { file: [a] }",
        &["weir.yaml:1:18: records.file: a list is not text; write a file path"],
    );
    wrong(
        "records: { file: 5 }",
        &["weir.yaml:1:18: records.file: 5 is not text; write a file path"],
    );
    wrong("records: { file: '' }", &["weir.yaml:1:18: records.file: is empty; write a file path"]);
}

#[test]
fn keys_are_known_and_given_once() {
    wrong(
        "observe:\n  body: 1MiB\n",
        &["weir.yaml:2:3: observe.body: is not a key here; use body_limit"],
    );
    wrong("threads: 1\nthreads: 2\n", &["weir.yaml:2:1: threads: is given twice, first on line 1"]);
    wrong(
        "ca: {}\nca: {}\nca: {}\n",
        &[
            "weir.yaml:2:1: ca: is given twice, first on line 1",
            "weir.yaml:3:1: ca: is given twice, first on line 1",
        ],
    );
}

#[test]
fn numbers() {
    wrong(
        "threads: four",
        &["weir.yaml:1:10: threads: \"four\" is not a whole number; use 1 to 1024"],
    );
    wrong("threads: 1.5", &["weir.yaml:1:10: threads: 1.5 is not a whole number; use 1 to 1024"]);
    wrong("threads: -1", &["weir.yaml:1:10: threads: -1 is out of range; use 1 to 1024"]);
    wrong("threads: yes", &["weir.yaml:1:10: threads: true is not a whole number; use 1 to 1024"]);
    wrong(
        "capture: { ports: [\"0\"] }",
        &["weir.yaml:1:20: capture.ports[0]: \"0\" is not a whole number; use 1 to 65535"],
    );
    wrong(
        "capture:\n  ports: [443, 0, 443]\n",
        &[
            "weir.yaml:2:16: capture.ports[1]: 0 is out of range; use 1 to 65535",
            "weir.yaml:2:19: capture.ports[2]: 443 is listed twice",
        ],
    );
    wrong(
        "capture: { ports: [] }",
        &["weir.yaml:1:19: capture.ports: is an empty list; name at least one, or remove the key"],
    );
}

#[test]
fn durations() {
    let check = |value: &str, expected: &str| {
        wrong(
            &format!("drain_timeout: {value}"),
            &[&format!("weir.yaml:1:16: drain_timeout: {expected}")],
        );
    };
    check("30", "30 has no unit; add one of ms, s, m, h");
    check("\"30\"", "\"30\" has no unit; add one of ms, s, m, h");
    check("-5s", "\"-5s\" is negative; write a duration such as 10s");
    check("-5", "-5 is negative; write a duration such as 10s");
    check("1.5s", "\"1.5s\" has a fraction; write a whole number in a smaller unit, such as 10s");
    check("5 sec", "\"5 sec\" has the unknown unit \"sec\"; use one of ms, s, m, h");
    check("5S", "\"5S\" has the unknown unit \"S\"; use one of ms, s, m, h");
    check("soon", "\"soon\" is not a duration; write a whole number and a unit, such as 10s");
    check("2h", "\"2h\" is out of range; use 1ms to 1h");
    check("0s", "\"0s\" is out of range; use 1ms to 1h");
    check("99999999999999999999s", "\"99999999999999999999s\" is too large for a duration");
    check("99999999999999999h", "\"99999999999999999h\" is too large for a duration");
    check("[1s]", "a list is not a duration such as 10s");
    check("true", "true is not a duration such as 10s");
}

#[test]
fn sizes() {
    let check = |value: &str, expected: &str| {
        wrong(
            &format!("observe: {{ body_limit: {value} }}"),
            &[&format!("weir.yaml:1:24: observe.body_limit: {expected}")],
        );
    };
    check("16", "16 has no unit; add one of B, KiB, MiB, GiB, kB, MB, GB");
    check("16mb", "\"16mb\" has the unknown unit \"mb\"; use one of B, KiB, MiB, GiB, kB, MB, GB");
    check("-1MiB", "\"-1MiB\" is negative; write a size such as 16MiB");
    check("1B", "\"1B\" is out of range; use 1KiB to 1GiB");
    check("2GiB", "\"2GiB\" is out of range; use 1KiB to 1GiB");
    check("large", "\"large\" is not a size; write a whole number and a unit, such as 16MiB");
}

#[test]
fn paths() {
    wrong(
        "capture: { cgroup: weir.slice }",
        &[
            "weir.yaml:1:20: capture.cgroup: \"weir.slice\" is relative; write it from the root, such as /weir.slice",
        ],
    );
    wrong(
        "ca: { directory: ./ca }",
        &[
            "weir.yaml:1:18: ca.directory: \"./ca\" is relative; write it from the root, such as /ca",
        ],
    );
    wrong(
        "upstream: { extra_roots: [a.pem, 3] }",
        &["weir.yaml:1:34: upstream.extra_roots[1]: 3 is not text; write a file path"],
    );
}

#[test]
fn names() {
    let check = |value: &str, expected: &str| {
        wrong(
            &format!("capture: {{ names: [{value}] }}"),
            &[&format!("weir.yaml:1:20: capture.names[0]: {expected}")],
        );
    };
    check("10.0.0.1", "\"10.0.0.1\" is an address, not a host name");
    check(
        "\"https://a.example\"",
        "\"https://a.example\" is not a host name; labels have 1 to 63 letters, digits or inner hyphens",
    );
    check(
        "\"a.*.example\"",
        "\"a.*.example\" has a wildcard that is not the whole first label; write *.example.com",
    );
    check("7", "7 is not text; write a host name such as llm.internal.example or *.llm.example");
    wrong(
        "capture: { names: [a.example, A.example.] }",
        &["weir.yaml:1:31: capture.names[1]: \"A.example.\" is listed twice"],
    );
}

#[test]
fn providers() {
    wrong(
        "providers:\n  - name: My LLM\n    dialect: gemini\n",
        &[
            "weir.yaml:2:5: providers[0].hosts: is missing",
            "weir.yaml:2:11: providers[0].name: \"My LLM\" is not a provider name; use up to 63 of a-z, 0-9 and -",
            "weir.yaml:3:14: providers[0].dialect: \"gemini\" is not a dialect; use openai or anthropic",
        ],
    );
    wrong(
        "providers:\n  - {}\n",
        &[
            "weir.yaml:2:5: providers[0].name: is missing",
            "weir.yaml:2:5: providers[0].hosts: is missing",
            "weir.yaml:2:5: providers[0].dialect: is missing",
        ],
    );
    let first = "providers:\n  - { name: a, hosts: [a.example], dialect: openai }\n";
    wrong(
        &format!("{first}  - {{ name: a, hosts: [b.example], dialect: openai }}\n"),
        &[
            "weir.yaml:3:13: providers[1].name: \"a\" is the name of an earlier provider; names are unique",
        ],
    );
    wrong(
        &format!("{first}  - {{ name: b, hosts: [b.example, a.example], dialect: openai }}\n"),
        &["weir.yaml:3:23: providers[1].hosts: a.example belongs to provider \"a\" already"],
    );
    wrong(
        &format!("{first}    port: 1\n"),
        &[
            "weir.yaml:3:5: not YAML: while parsing a block collection, did not find expected '-' indicator",
        ],
    );
}

#[test]
fn endless_nesting_is_refused() {
    let text = "[".repeat(100_000);
    let errors = parse(&text, "weir.yaml").unwrap_err();
    assert!(errors[0].message.starts_with("not YAML"), "{}", errors[0]);
}

#[test]
fn the_schema_has_the_keys_the_reader_reads() {
    let schema = schema();
    let keys = properties(&schema, &schema);
    for (section, inner) in &keys {
        let wanted: Vec<&str> = inner.iter().map(String::as_str).collect();
        if wanted.is_empty() {
            continue;
        }
        let text = if section == "providers" {
            "providers:\n  - nope: 1\n".to_owned()
        } else {
            format!("{section}:\n  nope: 1\n")
        };
        assert_eq!(keys_in_message(&text), wanted, "{section}");
    }
    let wanted: Vec<&str> = keys.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys_in_message("nope: 1\n"), wanted);
}

/// Top-level keys with the keys below them, sorted.
fn properties(schema: &Value, root: &Value) -> Vec<(String, Vec<String>)> {
    let map = schema["properties"].as_object().unwrap();
    let mut keys: Vec<(String, Vec<String>)> = map
        .iter()
        .map(|(key, value)| {
            let value = if value["items"].is_object() { &value["items"] } else { value };
            let reference = value["$ref"].as_str().or_else(|| value["anyOf"][0]["$ref"].as_str());
            let target = reference.and_then(|path| root.pointer(path.trim_start_matches('#')));
            let inner = target.and_then(|target| target["properties"].as_object());
            let mut inner: Vec<String> =
                inner.map(|inner| inner.keys().cloned().collect()).unwrap_or_default();
            inner.sort();
            (key.clone(), inner)
        })
        .collect();
    keys.sort();
    keys
}

/// What the reader says it knows where `nope` stands, sorted.
fn keys_in_message(text: &str) -> Vec<String> {
    let errors = parse(text, "weir.yaml").unwrap_err();
    let error = errors.iter().find(|error| error.key.ends_with("nope")).unwrap();
    let list = error.message.strip_prefix("is not a key here; use ").unwrap().replace(" or ", ", ");
    let mut keys: Vec<String> = list.split(", ").map(str::to_owned).collect();
    keys.sort();
    keys
}

#[test]
fn every_example_is_valid() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/examples");
    let entries: Vec<_> = std::fs::read_dir(directory).unwrap().map(Result::unwrap).collect();
    let examples = entries.iter().map(std::fs::DirEntry::path);
    let mut count = 0;
    for example in examples.filter(|path| path.extension().is_some_and(|end| end == "yaml")) {
        let text = std::fs::read_to_string(&example).unwrap();
        let name = example.display().to_string();
        let parsed = parse(&text, &name);
        assert!(parsed.is_ok(), "{parsed:?}");
        count += 1;
    }
    assert!(count > 0, "no example in {directory}");
}
