//! `lucarne contract sheet`: the page on which a person signs a contract off.
//!
//! One HTML file without scripts, pictures or links; its policy forbids all of them, so a text of
//! the contract could do nothing even if it were not escaped. The digest on the page is the one
//! that an enclave binds into its evidence.

use std::io::Write;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lucarne_contract::{Contract, Description, RuleText, SlotPlace, SlotText};
use lucarne_ledger::hash::Hash;

use super::contract;
use crate::failure::{Exit, Failure};

/// Write a readable page about a contract, for the person who signs it off
///
/// The page says in words what leaves, and holds the digest that is bound into the evidence of an
/// enclave with this contract. It has no scripts and loads nothing.
///
/// Example: lucarne contract sheet contract.yaml --out review.html
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The contract, or `default`
    file: PathBuf,
    /// Where to write the page [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// When the contract cannot be read or the page not be written.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit, Failure> {
    let page = page(&contract(&args.file)?)?;
    match &args.out {
        None => out.write_all(page.as_bytes())?,
        Some(path) => std::fs::write(path, page)
            .map_err(|error| Failure::unreadable(&format!("write {}", path.display()), &error))?,
    }
    Ok(Exit::Yes)
}

fn page(contract: &Contract) -> Result<String, Failure> {
    let told = contract.description().map_err(|error| Failure::bug(error.to_string()))?;
    let digest = Hash::of(contract.source().as_bytes());
    let style = STANDARD.encode(Hash::of(STYLE.as_bytes()).0);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'\">\n\
         <title>Contract {name}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <h1>Contract {name}</h1>\n\
         <p>What this file names may leave the enclave. Everything else stays inside.</p>\n\
         <p class=\"digest\">SHA-256 of the file: <code>{digest}</code></p>\n",
        name = escaped(&told.name),
    );
    sections(&told, &mut out);
    out.push_str(SIGN_OFF);
    Ok(out)
}

fn sections(told: &Description, out: &mut String) {
    for (title, place) in [
        ("Attributes of log records and audit events", SlotPlace::LogAttribute),
        ("Attributes of resources", SlotPlace::ResourceAttribute),
        ("Labels of metrics", SlotPlace::Label),
    ] {
        let slots: Vec<&SlotText> = told.slots.iter().filter(|slot| slot.place == place).collect();
        let rows = slots.iter().map(|slot| vec![code(&slot.name), rule(&slot.rule)]);
        table(title, &["name", "leaves when it is"], rows.collect(), out);
    }
    let texts = |texts: &[String]| texts.iter().map(|text| vec![code(text)]).collect::<Vec<_>>();
    table("Bodies, word for word", &["body"], texts(&told.bodies), out);
    table("Bodies that match a pattern", &["pattern"], texts(&told.body_patterns), out);
    let metrics = told.metrics.iter().map(|metric| {
        let labels = metric.labels.iter().map(|label| code(label));
        let cohort = match metric.min_cohort {
            0 => "any".to_owned(),
            least => format!("{least} observations or more"),
        };
        vec![
            code(&metric.name),
            labels.collect::<Vec<_>>().join(" "),
            code(&metric.unit),
            cohort,
            escaped(metric.gauge),
        ]
    });
    let heads = ["name", "labels that stay", "unit", "a series leaves with", "merged gauges"];
    table("Metrics", &heads, metrics.collect(), out);
    table("Names of spans", &["name"], texts(&told.span_names), out);
    table("Audit events", &["event"], texts(&told.events), out);
    if let Some(scope) = &told.audit_scope {
        let scope = code(scope);
        out.push_str(&format!("<p>Audit events are the records of the scope {scope}.</p>\n"));
    }
    out.push_str(&format!(
        "<h2>What holds for all of it</h2>\n<ul>\n<li>No text of more than {} bytes leaves.</li>\n\
         <li>No value of a metric above {} leaves.</li>\n\
         <li>Times of spans are rounded down to {} nanoseconds.</li>\n</ul>\n",
        told.value_bytes, told.metric_value, told.round_nanos
    ));
    table("Never part of a text that leaves", &["pattern"], texts(&told.reject), out);
}

fn table(title: &str, heads: &[&str], rows: Vec<Vec<String>>, out: &mut String) {
    out.push_str(&format!("<h2>{}</h2>\n", escaped(title)));
    if rows.is_empty() {
        out.push_str("<p class=\"none\">none</p>\n");
        return;
    }
    out.push_str("<table>\n<tr>");
    heads.iter().for_each(|head| out.push_str(&format!("<th>{}</th>", escaped(head))));
    out.push_str("</tr>\n");
    for row in rows {
        out.push_str("<tr>");
        row.iter().for_each(|cell| out.push_str(&format!("<td>{cell}</td>")));
        out.push_str("</tr>\n");
    }
    out.push_str("</table>\n");
}

/// A rule in words.
fn rule(rule: &RuleText) -> String {
    match rule {
        RuleText::Text { pattern } => format!("text that is as a whole {}", code(pattern)),
        RuleText::OneOf(values) => {
            let values = values.iter().map(|value| code(value)).collect::<Vec<_>>();
            format!("one of {}", values.join(" "))
        }
        RuleText::Int { min, max } => format!("a whole number from {min} to {max}"),
        RuleText::Double { min, max } => format!("a number from {min} to {max}"),
        RuleText::Bool => "true or false".to_owned(),
    }
}

fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("<code>{}</code>", escaped(text)) }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // What turns a line around or hides in it is shown as what it is.
            char if char.is_control() || ('\u{200b}'..='\u{206f}').contains(&char) => {
                out.push_str(&format!("&lt;U+{:04X}&gt;", u32::from(char)));
            }
            char => out.push(char),
        }
    }
    out
}

const STYLE: &str = "\
body{font:15px/1.45 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;\
color:#1b1b1b;background:#fff}\
h1{font-size:1.6rem}h2{font-size:1.1rem;margin:1.6rem 0 .4rem}\
table{border-collapse:collapse;width:100%}\
th,td{border:1px solid #bbb;padding:.3rem .5rem;text-align:left;vertical-align:top}\
th{background:#f0f0f0}\
code{font:13px/1.4 ui-monospace,monospace;overflow-wrap:anywhere;background:#f6f6f6;\
padding:0 .2rem}\
.none{color:#666}.sign td{height:2.2rem}\
@media print{body{margin:0;max-width:none}tr{break-inside:avoid}}";

const SIGN_OFF: &str = "\
<h2>Signed off</h2>\n\
<p>A workload that wants to leak can still encode data in ids, numbers and times that pass. \
By signing I say that none of the above is a secret in itself.</p>\n\
<table class=\"sign\">\n<tr><th>name</th><td></td></tr>\n<tr><th>role</th><td></td></tr>\n\
<tr><th>date</th><td></td></tr>\n<tr><th>signature</th><td></td></tr>\n</table>\n\
</body>\n</html>\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_the_contract_cannot_be_markup() {
        let yaml =
            "contract: \"<b>'x'&\\u202e\"\nlogs: { bodies: [\"<script>alert(1)</script>\"] }\n";
        let page = page(&Contract::parse(yaml).unwrap()).unwrap();
        assert!(!page.contains("<script") && !page.contains("<b>"), "{page}");
        assert!(
            page.contains("<h1>Contract &lt;b&gt;&#39;x&#39;&amp;&lt;U+202E&gt;</h1>"),
            "{page}"
        );
        assert!(page.contains("<code>&lt;script&gt;alert(1)&lt;/script&gt;</code>"));
    }

    #[test]
    fn everything_of_the_default_contract_is_on_its_page() {
        let contract = Contract::default_contract();
        let page = page(&contract).unwrap();
        let told = contract.description().unwrap();
        let names = told.slots.iter().map(|slot| &slot.name).chain(&told.bodies);
        let metrics = told.metrics.iter().map(|metric| &metric.name);
        for text in names.chain(metrics).chain(&told.span_names).chain(&told.events) {
            assert!(page.contains(&format!("<code>{}</code>", escaped(text))), "{text}");
        }
        assert!(page.contains(&Hash::of(contract.source().as_bytes()).to_string()));
        // The style is the only thing that the policy lets in, by its digest.
        let style = STANDARD.encode(Hash::of(STYLE.as_bytes()).0);
        assert!(page.contains(&format!("default-src 'none'; style-src 'sha256-{style}'")));
    }
}
