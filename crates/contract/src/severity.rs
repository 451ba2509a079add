//! Names of log levels: a closed list of what loggers call them.
//!
//! The exported level uses the names of .NET, which the seeds query for, whatever the source said.

/// The level of a severity number as the exported line names it; `None` for 0 and unknown numbers.
pub(crate) const fn name_of(number: u32) -> Option<&'static str> {
    Some(match number {
        1..=4 => "Trace",
        5..=8 => "Debug",
        9..=12 => "Information",
        13..=16 => "Warning",
        17..=20 => "Error",
        21..=24 => "Critical",
        _ => return None,
    })
}

/// The level that a source's own word means; `None` when it is not the name of a level.
pub(crate) fn name_meant(text: &str) -> Option<&'static str> {
    // OTLP numbers its short names: ERROR2 is a worse ERROR.
    let word = text.strip_suffix(['2', '3', '4']).unwrap_or(text);
    let is = |name: &str| word.eq_ignore_ascii_case(name);
    NAMES.iter().find(|(_, names)| names.iter().any(|name| is(name))).map(|(level, _)| *level)
}

const NAMES: [(&str, &[&str]); 6] = [
    ("Trace", &["Trace"]),
    ("Debug", &["Debug"]),
    ("Information", &["Information", "Info"]),
    ("Warning", &["Warning", "Warn"]),
    ("Error", &["Error"]),
    ("Critical", &["Critical", "Fatal"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_sdks_and_loggers() {
        for (word, level) in [
            ("INFO", Some("Information")),
            ("INFO2", Some("Information")),
            ("Information", Some("Information")),
            ("WARNING", Some("Warning")),
            ("warn", Some("Warning")),
            ("ERROR", Some("Error")),
            ("FATAL4", Some("Critical")),
            ("CRITICAL", Some("Critical")),
            ("", None),
            ("2", None),
            ("applicant Jane Roe", None),
        ] {
            assert_eq!(name_meant(word), level, "{word}");
        }
    }

    #[test]
    fn numbers_of_the_data_model() {
        let levels = [0, 1, 5, 9, 13, 17, 21, 24, 25].map(name_of);
        let expected = [
            None,
            Some("Trace"),
            Some("Debug"),
            Some("Information"),
            Some("Warning"),
            Some("Error"),
            Some("Critical"),
            Some("Critical"),
            None,
        ];
        assert_eq!(levels, expected);
    }
}
