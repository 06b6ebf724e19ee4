//! Commands that show something and end: `weir validate`, `weir report`, `weir ca`, `weir doctor`. Knows files
//! and how they are shown. `ca` makes the authority if there is none yet, so that its root can be delivered first.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::ValueEnum;

use crate::authority::{Authority, Description};
use crate::cli::{Ca, CaView, FAILURE, Output, Report, Validate};
use crate::providers::Providers;
use crate::{config, load_config, report, runtime};

pub fn validate(arguments: &Validate) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    if arguments.schema {
        serde_json::to_writer_pretty(&mut out, &config::schema())?;
        writeln!(out)?;
        return Ok(ExitCode::SUCCESS);
    }
    load_config(Some(&arguments.file))?;
    writeln!(out, "{}: ok", arguments.file.display())?;
    Ok(ExitCode::SUCCESS)
}

/// Fails when this machine cannot capture.
pub fn doctor(output: Output) -> anyhow::Result<ExitCode> {
    let able = runtime(Some(1))?.block_on(crate::doctor::run(output))?;
    Ok(if able { ExitCode::SUCCESS } else { ExitCode::from(FAILURE) })
}

pub fn report(arguments: &Report) -> anyhow::Result<ExitCode> {
    let summary = report::read_files(&arguments.files, &arguments.by)?;
    let names: Vec<_> = arguments.by.iter().filter_map(ValueEnum::to_possible_value).collect();
    let headings: Vec<&str> = names.iter().map(|value| value.get_name()).collect();
    report::print(&summary, &headings, arguments.output, &mut io::stdout().lock())?;
    Ok(ExitCode::SUCCESS)
}

pub fn ca(arguments: &Ca) -> anyhow::Result<ExitCode> {
    let config = load_config(arguments.config.as_deref())?;
    let directory = &config.ca.directory;
    let authority = Authority::open_or_create(directory, &Providers::new(&config).names())
        .with_context(|| format!("the certificate authority in {}", directory.display()))?;
    let mut out = io::stdout().lock();
    match arguments.what {
        CaView::Export => out.write_all(authority.root_pem().as_bytes())?,
        CaView::Path => {
            let path = authority.root_path().context("the authority has no file")?;
            writeln!(out, "{}", path.display())?;
        }
        CaView::Show => {
            let description = authority.describe()?;
            match arguments.output {
                Output::Json => writeln!(out, "{}", serde_json::to_string_pretty(&description)?)?,
                Output::Text => show(&description, &mut out)?,
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn show(authority: &Description, out: &mut impl Write) -> io::Result<()> {
    for (title, certificate) in
        [("root", &authority.root), ("intermediate", &authority.intermediate)]
    {
        writeln!(out, "{title}")?;
        writeln!(out, "  subject      {}", certificate.subject)?;
        writeln!(out, "  issuer       {}", certificate.issuer)?;
        writeln!(out, "  valid        {} to {}", certificate.not_before, certificate.not_after)?;
        writeln!(out, "  serial       {}", certificate.serial)?;
        writeln!(out, "  sha256       {}", certificate.sha256)?;
    }
    if let Some(path) = &authority.root_path {
        writeln!(out, "file           {}", path.display())?;
    }
    writeln!(out, "permitted names, and nothing else")?;
    authority.permitted.iter().try_for_each(|name| writeln!(out, "  {name}"))
}
