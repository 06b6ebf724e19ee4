//! The table as text, searched a provider at a time and remembered by name. Knows no usage.
//!
//! It stays text: a name that was asked for is parsed once, the rest is never touched.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use weir_wire::Provider;

use super::matching::{names, with_dashed_date};
use super::model::Model;

/// Names remembered for one provider. A caller that invents names makes us forget, not grow.
const REMEMBERED_MAX: usize = 512;

/// Prices with the day and the source they come from.
pub struct Table {
    pub name: &'static str,
    /// The newest day on which somebody checked a price.
    pub version: &'static str,
    pub source: &'static str,
    sections: HashMap<&'static str, Section>,
}

struct Section {
    fallbacks: Vec<&'static str>,
    lines: &'static str,
    remembered: RwLock<HashMap<String, Option<Arc<Model>>>>,
}

/// The prices built into this program.
pub fn bundled() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| Table::read("bundled", include_str!("table.txt")))
}

impl Table {
    pub(super) fn read(name: &'static str, text: &'static str) -> Self {
        let mut head = text.split('@').next().unwrap_or("").lines();
        let mut told =
            |what| head.next().and_then(|line| line.strip_prefix(what)).unwrap_or("unknown").trim();
        let (source, version) = (told("# source"), told("# date"));
        // No name has a line that begins with `@`.
        let body = text.split_once("\n@").map_or("", |(_, body)| body);
        let sections = body.split("\n@").filter_map(Section::read).collect();
        Self { name, version, source, sections }
    }

    /// The model that this provider sells under this name.
    pub(super) fn model(&self, provider: Provider, name: &str) -> Option<Arc<Model>> {
        let section = self.sections.get(section_name(provider)?)?;
        if let Some(known) =
            section.remembered.read().unwrap_or_else(PoisonError::into_inner).get(name)
        {
            return known.clone();
        }
        let found = self.find(section, name).map(Arc::new);
        let mut remembered = section.remembered.write().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        remembered.insert(name.to_owned(), found.clone());
        found
    }

    fn find(&self, section: &Section, name: &str) -> Option<Model> {
        let name = name.to_lowercase();
        let anywhere = |name: &str| {
            let elsewhere =
                || section.fallbacks.iter().find_map(|other| self.sections.get(other)?.find(name));
            section.find(name).or_else(elsewhere)
        };
        anywhere(&name).or_else(|| anywhere(&with_dashed_date(&name)?))
    }

    #[cfg(test)]
    pub(super) fn providers(&self) -> impl Iterator<Item = &'static str> {
        self.sections.keys().copied()
    }

    /// Every model's name and rows of one provider, for a test to read them all.
    #[cfg(test)]
    pub(super) fn rows(&self, provider: &str) -> Vec<(&'static str, Option<Model>)> {
        let lines = self.sections[provider].lines;
        let heads = lines.lines().enumerate().filter(|(_, line)| !line.starts_with('\t'));
        heads.map(|(at, head)| (head, Model::parse(rows_after(lines, at)))).collect()
    }
}

impl Section {
    fn read(text: &'static str) -> Option<(&'static str, Self)> {
        let (head, lines) = text.split_once('\n')?;
        let mut names = head.split(' ');
        let name = names.next()?;
        Some((name, Self { fallbacks: names.collect(), lines, remembered: RwLock::default() }))
    }

    /// The first model that answers to the name, as the source orders them.
    fn find(&self, name: &str) -> Option<Model> {
        let is_named = |line: &str| {
            !line.starts_with('\t') && line.split(' ').skip(1).any(|rule| names(rule, name))
        };
        let at = self.lines.lines().position(is_named)?;
        Model::parse(rows_after(self.lines, at))
    }
}

fn rows_after(lines: &'static str, head: usize) -> impl Iterator<Item = &'static str> {
    lines.lines().skip(head + 1).take_while(|line| line.starts_with('\t'))
}

/// The source's name for a provider; `None` where nobody publishes prices.
fn section_name(provider: Provider) -> Option<&'static str> {
    Some(match provider {
        Provider::Anthropic => "anthropic",
        Provider::Azure => "azure",
        Provider::Bedrock | Provider::BedrockMantle => "aws",
        Provider::Cerebras => "cerebras",
        Provider::Cohere => "cohere",
        Provider::DeepSeek => "deepseek",
        Provider::Fireworks => "fireworks",
        Provider::Gemini | Provider::Vertex => "google",
        Provider::Groq => "groq",
        Provider::Mistral => "mistral",
        Provider::Moonshot => "moonshotai",
        Provider::OpenAi => "openai",
        Provider::OpenRouter => "openrouter",
        Provider::Perplexity => "perplexity",
        Provider::Together => "together",
        Provider::Voyage => "voyageai",
        Provider::XAi => "x-ai",
        Provider::Zai => "zai",
        Provider::AlephAlpha
        | Provider::BedrockAgent
        | Provider::Compatible
        | Provider::DeepInfra
        | Provider::HuggingFace
        | Provider::Jina
        | Provider::Ollama
        | Provider::Replicate
        | Provider::SageMaker
        | Provider::Watsonx
        | Provider::Writer => return None,
    })
}
