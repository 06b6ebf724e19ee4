//! One exchange a file, in the order a newcomer would read: what was sent, what came back, and beside it what is
//! understood. `WEIR_GOLDEN=write` writes what is understood now: read the difference before keeping it.

#![expect(clippy::unwrap_used, reason = "a test may")]

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use weir_wire::{Answer, Call, Endpoint, RequestObserver, ResponseObserver, detect};

const KEY: [u8; 32] = [0; 32];

#[test]
fn exchanges() {
    let mut wrong = Vec::new();
    for file in files() {
        let exchange = Exchange::read(&file);
        let understood = exchange.understood();
        let beside = file.with_extension("json");
        if std::env::var_os("WEIR_GOLDEN").is_some() {
            fs::write(&beside, &understood).unwrap();
        } else if fs::read_to_string(&beside).unwrap_or_default() != understood {
            wrong.push(format!("{}:\n{understood}", beside.display()));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn any_piece_tells_the_same() {
    for file in files() {
        let exchange = Exchange::read(&file);
        for piece in [1, 2, 3, 5, 7, 64] {
            assert_eq!(
                exchange.answer(piece),
                exchange.answer(usize::MAX),
                "{} by {piece}",
                file.display()
            );
            assert_eq!(
                exchange.call(piece),
                exchange.call(usize::MAX),
                "{} by {piece}",
                file.display()
            );
        }
    }
}

/// A stream with other line ends tells the same.
#[test]
fn line_ends() {
    for file in files() {
        let exchange = Exchange::read(&file);
        if !exchange.content_type.starts_with("text/event-stream") {
            continue;
        }
        for end in ["\r\n", "\r"] {
            let other =
                Exchange { response: exchange.response.replace('\n', end), ..exchange.clone() };
            assert_eq!(
                other.answer(3),
                exchange.answer(usize::MAX),
                "{} with {end:?}",
                file.display()
            );
        }
        let bare = Exchange {
            response: format!("\u{feff}{}", exchange.response.trim_end()),
            ..exchange.clone()
        };
        assert_eq!(bare.answer(4), exchange.answer(usize::MAX), "{} bare", file.display());
    }
}

/// A body cut anywhere never gives a figure that the whole does not give, and says that it was cut.
#[test]
fn cut_bodies_give_no_wrong_figures() {
    for file in files().into_iter().filter(|file| file.to_string_lossy().contains("plain")) {
        let exchange = Exchange::read(&file);
        let whole = exchange.answer(usize::MAX);
        for end in 1..exchange.response.trim_end().len() {
            if !exchange.response.is_char_boundary(end) {
                continue;
            }
            let cut =
                Exchange { response: exchange.response[..end].to_owned(), ..exchange.clone() };
            let answer = cut.answer(usize::MAX);
            assert_eq!(answer.usage, None, "{} cut at {end}", file.display());
            assert!(answer.unread.is_some() && !answer.complete, "{} cut at {end}", file.display());
            assert!(
                answer.model.is_none() || answer.model == whole.model,
                "{} cut at {end}",
                file.display()
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_cuts_tell_the_same(at in any::<prop::sample::Index>(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 1..8)) {
        let files = files();
        let exchange = Exchange::read(&files[at.index(files.len())]);
        let body = exchange.response.as_bytes();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
        cuts.extend([0, body.len()]);
        cuts.sort_unstable();
        let mut observer = exchange.observer();
        cuts.windows(2).for_each(|cut| observer.push(&body[cut[0]..cut[1]]));
        prop_assert_eq!(observer.finish(), exchange.answer(usize::MAX));
    }

    /// Changed bytes are read in one way, too, and without a crash.
    #[test]
    fn damaged_bodies_tell_the_same(
        at in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        piece in 1usize..9,
    ) {
        let files = files();
        let exchange = Exchange::read(&files[at.index(files.len())]);
        let mut body = exchange.response.clone().into_bytes();
        for (at, byte) in damage {
            let at = at.index(body.len());
            body[at] = byte;
        }
        let read = |piece: usize| {
            let mut observer = exchange.observer();
            body.chunks(piece).for_each(|piece| observer.push(piece));
            observer.finish()
        };
        prop_assert_eq!(read(piece), read(usize::MAX));
    }
}

#[derive(Clone)]
struct Exchange {
    endpoint: Endpoint,
    request: String,
    status: u16,
    content_type: String,
    response: String,
}

impl Exchange {
    /// `--- METHOD HOST PATH`, the request, `--- STATUS TYPE`, the response to the last byte.
    fn read(file: &Path) -> Self {
        let text = fs::read_to_string(file).unwrap();
        let (line, rest) = text.strip_prefix("--- ").unwrap().split_once('\n').unwrap();
        let (request, rest) = rest.split_once("\n--- ").unwrap();
        let (head, response) = rest.split_once('\n').unwrap();
        let (status, content_type) = head.split_once(' ').unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        Self {
            endpoint: detect(words[1], words[0], words[2]).unwrap(),
            request: request.to_owned(),
            status: status.parse().unwrap(),
            content_type: content_type.to_owned(),
            response: response.to_owned(),
        }
    }

    fn observer(&self) -> ResponseObserver {
        ResponseObserver::new(self.endpoint, self.status, Some(&self.content_type), KEY)
    }

    fn answer(&self, piece: usize) -> Answer {
        let mut observer = self.observer();
        self.response.as_bytes().chunks(piece).for_each(|piece| observer.push(piece));
        observer.finish()
    }

    fn call(&self, piece: usize) -> Call {
        let mut observer = RequestObserver::new(self.endpoint);
        self.request.as_bytes().chunks(piece).for_each(|piece| observer.push(piece));
        observer.finish()
    }

    fn understood(&self) -> String {
        let (call, answer) = (self.call(usize::MAX), self.answer(usize::MAX));
        let totals = answer.usage.map(|usage| (usage.total_input(), usage.total_output()));
        let all = serde_json::json!({ "endpoint": self.endpoint, "call": call, "answer": answer, "totals": totals });
        serde_json::to_string_pretty(&all).unwrap() + "\n"
    }
}

fn files() -> Vec<PathBuf> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    let paths = |folder: &Path| {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
    };
    let mut files: Vec<PathBuf> =
        paths(Path::new(folder)).iter().flat_map(|folder| paths(folder)).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "txt"));
    files.sort();
    assert!(!files.is_empty());
    files
}
