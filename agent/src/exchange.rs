//! One request and its answer, from the first line to the last byte: observed while it travels, and
//! recorded exactly once. Knows facts and bodies; knows no socket. `h1` and `h2` carry the bytes.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use weir_policy::price::{self, Sale};
use weir_wire::{Answer, Endpoint, RequestObserver, ResponseObserver};

use crate::connection::Connection;
use crate::record::{Attempt, Http, Outcome, Priced, Record, Timings};
use crate::relay::Way;

mod decode;
pub(crate) mod h1;
pub(crate) mod h2;

use decode::Decoder;

/// What a request line and headers say.
pub(crate) struct RequestHead<'a> {
    pub(crate) http: Http,
    pub(crate) method: &'a str,
    pub(crate) path_and_query: &'a str,
    pub(crate) content_encoding: Option<&'a str>,
}

/// What a status line and headers say.
pub(crate) struct ResponseHead<'a> {
    pub(crate) status: u16,
    pub(crate) content_type: Option<&'a str>,
    pub(crate) content_encoding: Option<&'a str>,
}

/// How the request reached the provider.
#[derive(Clone, Copy)]
pub(crate) struct Route {
    pub(crate) reused: bool,
    pub(crate) connect: Option<Duration>,
}

/// Opened at the request's first line; leaves its record when closed, or when dropped.
pub(crate) struct Exchange {
    connection: Arc<Connection>,
    endpoint: Endpoint,
    record: Option<Box<Record>>,
    started: Instant,
    request: Option<Tap<RequestObserver>>,
    response: Option<Tap<ResponseObserver>>,
}

impl Exchange {
    pub(crate) fn open(connection: &Arc<Connection>, head: &RequestHead<'_>, route: Route) -> Self {
        let accounting = &connection.accounting;
        let (path, _) = head.path_and_query.split_once('?').unwrap_or((head.path_and_query, ""));
        let endpoint = accounting.providers.endpoint(
            &connection.server_name,
            head.method,
            head.path_and_query,
        );
        let record = Record {
            time: SystemTime::now(),
            exchange: connection.next_exchange(),
            connection: connection.id.clone(),
            workload: Arc::clone(&connection.workload),
            provider: endpoint.provider,
            dialect: endpoint.dialect,
            operation: endpoint.operation,
            host: connection.server_name.to_string(),
            method: head.method.to_owned(),
            path: path.to_owned(),
            http: head.http,
            request_model: weir_wire::model_in_path(head.path_and_query),
            model: None,
            stream: false,
            status: None,
            outcome: Outcome::ClientGone,
            attempts: vec![Attempt {
                target: connection.target.clone(),
                status: None,
                error: None,
                reused: route.reused,
                connect_ms: route.connect.map(milliseconds),
            }],
            usage: None,
            total_input: None,
            total_output: None,
            cost: Priced::NONE,
            finish_reasons: Vec::new(),
            finish_classes: Vec::new(),
            tool_calls: Vec::new(),
            server_tool_calls: None,
            error: None,
            service_tier: None,
            unread: Vec::new(),
            request_bytes: 0,
            response_bytes: 0,
            timings: Timings::default(),
        };
        Self {
            request: Some(Tap::new(
                RequestObserver::new(endpoint),
                Decoder::of(head.content_encoding),
                accounting.body_bytes_max,
            )),
            connection: Arc::clone(connection),
            endpoint,
            record: Some(Box::new(record)),
            started: Instant::now(),
            response: None,
        }
    }

    /// The head is on its way to the provider.
    pub(crate) fn sent(&mut self) {
        let elapsed = milliseconds(self.started.elapsed());
        self.edit(|record| record.timings.agent_ms = Some(elapsed));
    }

    pub(crate) fn request_body(&mut self, data: &[u8]) {
        self.carried(Way::Out, data.len());
        if let Some(tap) = &mut self.request {
            tap.push(data, |observer, bytes| observer.push(bytes));
        }
    }

    pub(crate) fn response_head(&mut self, head: &ResponseHead<'_>) {
        let elapsed = milliseconds(self.started.elapsed());
        self.edit(|record| {
            record.status = Some(head.status);
            record.stream = head.content_type.is_some_and(is_stream);
            record.timings.first_byte_ms = Some(elapsed);
            if let Some(attempt) = record.attempts.last_mut() {
                attempt.status = Some(head.status);
            }
        });
        let observer = ResponseObserver::new(
            self.endpoint,
            head.status,
            head.content_type,
            self.connection.accounting.hash_key,
        );
        let decoder = Decoder::of(head.content_encoding);
        self.response =
            Some(Tap::new(observer, decoder, self.connection.accounting.body_bytes_max));
    }

    /// One header of the answer, after its head: some say figures, and how long to wait.
    pub(crate) fn response_header(&mut self, name: &str, value: &[u8]) {
        if let Some(tap) = &mut self.response {
            tap.observer.header(name, value);
        }
    }

    pub(crate) fn response_body(&mut self, data: &[u8]) {
        self.carried(Way::Back, data.len());
        let Some(tap) = &mut self.response else { return };
        tap.push(data, |observer, bytes| observer.push(bytes));
        let Some(record) = &mut self.record else { return };
        if record.timings.first_content_ms.is_none() && tap.observer.has_content() {
            record.timings.first_content_ms = Some(milliseconds(self.started.elapsed()));
        }
    }

    /// Body bytes travelled.
    pub(crate) fn carried(&mut self, way: Way, count: usize) {
        self.edit(|record| match way {
            Way::Out => record.request_bytes += count as u64,
            Way::Back => record.response_bytes += count as u64,
        });
    }

    /// What follows is not understood: what was seen of the answer is not the whole truth.
    pub(crate) fn stop_observing(&mut self) {
        self.response = None;
    }

    pub(crate) fn note(&mut self, why: &'static str) {
        self.edit(|record| record.unread.push(why.to_owned()));
    }

    /// The attempt failed in a way worth a word.
    pub(crate) fn attempt_failed(&mut self, why: &'static str) {
        self.edit(|record| {
            if let Some(attempt) = record.attempts.last_mut() {
                attempt.error = Some(why);
            }
        });
    }

    fn edit(&mut self, change: impl FnOnce(&mut Record)) {
        if let Some(record) = &mut self.record {
            change(record);
        }
    }

    pub(crate) fn close(mut self, outcome: Outcome) {
        self.finish(outcome);
    }

    fn finish(&mut self, outcome: Outcome) {
        let Some(mut record) = self.record.take() else { return };
        record.outcome = outcome;
        record.timings.total_ms = milliseconds(self.started.elapsed());
        if let Some(tap) = self.request.take() {
            let unread = tap.problem();
            let call = tap.observer.finish();
            note_unread(&mut record, "request", unread.or(call.unread.map(|u| u.as_str())));
            // Some bodies name no model: there the path does.
            record.request_model = call.model.or_else(|| record.request_model.take());
            record.stream |= call.stream;
        }
        if let Some(tap) = self.response.take() {
            let unread = tap.problem();
            let answer = if tap.is_cut() { Answer::default() } else { tap.observer.finish() };
            note_unread(&mut record, "response", unread.or(answer.unread.map(|u| u.as_str())));
            record.model = answer.model;
            record.usage = answer.usage;
            record.finish_reasons = answer.finish_reasons;
            record.finish_classes = answer.finish_classes;
            record.tool_calls = answer.tool_calls;
            record.server_tool_calls = answer.server_tool_calls;
            record.error = answer.error;
            record.service_tier = answer.service_tier;
        }
        settle(&mut record);
        self.connection.carried(record.request_bytes, record.response_bytes);
        self.connection.accounting.recorder.exchange(&record);
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let outcome = self.connection.outcome_of_drop();
        self.finish(outcome);
    }
}

/// Totals and cost, from the usage that the provider stated.
fn settle(record: &mut Record) {
    let Some(usage) = &record.usage else { return };
    record.total_input = usage.total_input();
    record.total_output = usage.total_output();
    let at = record
        .time
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs() as i64);
    let table = price::bundled();
    let cost = table.price(&Sale {
        provider: record.provider,
        served_model: record.model.as_deref(),
        request_model: record.request_model.as_deref(),
        service_tier: record.service_tier.as_deref(),
        usage,
        at_unix_seconds: at,
    });
    record.cost = Priced::new(cost, table.version);
}

fn note_unread(record: &mut Record, side: &str, why: Option<&str>) {
    if let Some(why) = why {
        record.unread.push(format!("{side}: {why}"));
    }
}

/// The types that providers stream in; some say so nowhere else.
fn is_stream(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    [
        "text/event-stream",
        "application/vnd.amazon.eventstream",
        "application/x-ndjson",
        "application/stream+json",
    ]
    .iter()
    .any(|stream| kind.eq_ignore_ascii_case(stream))
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// A copy of one body on its way into an observer: counted, decoded, bounded.
struct Tap<O> {
    observer: O,
    decoder: Decoder,
    decoded: u64,
    limit: u64,
}

impl<O> Tap<O> {
    fn new(observer: O, decoder: Decoder, limit: u64) -> Self {
        Self { observer, decoder, decoded: 0, limit }
    }

    fn push(&mut self, data: &[u8], mut observe: impl FnMut(&mut O, &[u8])) {
        if self.is_cut() {
            return;
        }
        let Self { observer, decoder, decoded, limit, .. } = self;
        decoder.push(data, &mut |bytes| {
            *decoded += bytes.len() as u64;
            if *decoded <= *limit {
                observe(observer, bytes);
            }
        });
    }

    /// Was the body longer than may be observed? Then what was seen of it is not the whole truth.
    fn is_cut(&self) -> bool {
        self.decoded > self.limit
    }

    fn problem(&self) -> Option<&'static str> {
        if self.is_cut() {
            return Some("longer than observe.body_limit");
        }
        self.decoder.problem()
    }
}
