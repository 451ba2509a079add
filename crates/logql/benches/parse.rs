//! How many queries a second one core parses, by shape of the query.
//!
//! Run with `cargo bench -p lucarne-logql --bench parse`. The plain loop keeps it free of a
//! benchmark framework.

use std::hint::black_box;
use std::time::Instant;

use lucarne_logql::{Mode, parse};

const QUERIES: [(&str, &str); 4] = [
    ("selector", r#"{job="tee-processengine", level="Error"} |= "E_CALCULATION_OVERFLOW""#),
    (
        "pipeline",
        r#"{job="tee-audit"} | json | id="nitro-001" and seq > 5 | sort by (seq desc) | head 10"#,
    ),
    (
        "metric",
        r#"sum by (x) (rate({a="b"}|json|x!="" [5m])) / on (x) sum by (x) (rate({a="b"}[5m]))"#,
    ),
    ("regex", r#"{job=~"tee-.+"} |~ "E_[A-Z]+_OVERFLOW" | logfmt | path!~"/health.*""#),
];

fn main() {
    let rounds = 50_000_u32;
    for (name, query) in QUERIES {
        let mut bytes = 0_usize;
        let start = Instant::now();
        for _ in 0..rounds {
            if let Ok(parsed) = parse(black_box(query), Mode::Extended) {
                bytes += parsed.canonical.len();
            }
        }
        let rate = f64::from(rounds) / start.elapsed().as_secs_f64();
        #[expect(clippy::print_stdout, reason = "the figure is the point of the program")]
        {
            let mean = bytes / rounds as usize;
            println!("logql parse {name}: {rate:.0} queries/s, canonical {mean} bytes");
        }
    }
}
