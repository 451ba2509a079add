//! `unwrap`.

use super::*;
use crate::ast::Conversion;

fn sample(conversion: Conversion, filter: &str, line: &str) -> Option<(f64, String)> {
    let filters = stages(filter).into_iter().filter_map(|stage| match stage {
        ast::Stage::LabelFilter(filter) => Some(filter),
        _ => None,
    });
    let unwrap = ast::Unwrap { label: "v".into(), conversion, filters: filters.collect() };
    let pipeline = SamplePipeline::compile(&stages("| logfmt"), &unwrap).unwrap();
    assert_eq!((pipeline.label(), pipeline.literals()), ("v", &[] as &[String]));
    let stream = stream();
    let input = Input { time_ns: 0, line, stream: &stream, metadata: &METADATA, shredded: None };
    let mut scratch = Scratch::default();
    pipeline.run(&input, &mut scratch).map(|sample| (sample.value, difference(&sample.row)))
}

#[test]
fn values_are_converted() {
    let value =
        |conversion, text: &str| sample(conversion, "", &alloc::format!("v={text}")).unwrap().0;
    assert_eq!(value(Conversion::Number, "1.5"), 1.5);
    assert_eq!(value(Conversion::Number, "-1e3"), -1000.0);
    assert_eq!(value(Conversion::Duration, "1m30s"), 90.0);
    assert_eq!(value(Conversion::DurationSeconds, "250ms"), 0.25);
    assert_eq!(value(Conversion::Duration, "-5s"), -5.0);
    assert_eq!(value(Conversion::Bytes, "5KB"), 5000.0);
    assert_eq!(value(Conversion::Bytes, "1.5MiB"), 1_572_864.0);
    assert_eq!(sample(Conversion::Number, "", "w=1"), None);
    assert_eq!(sample(Conversion::Number, "", "v=7 w=1"), Some((7.0, r#"v="7" w="1""#.into())));
}

#[test]
fn what_is_no_number_marks_the_sample() {
    let labels = concat!(
        r#"__error__="SampleExtractionErr" __error_details__="strconv.ParseFloat: parsing "#,
        r#"\"x\": invalid syntax" v="x""#,
    );
    assert_eq!(sample(Conversion::Number, "", "v=x"), Some((0.0, labels.into())));
    assert_eq!(sample(Conversion::Number, r#"| __error__="""#, "v=x"), None);
    assert_eq!(sample(Conversion::Number, "| w > 5", "v=1 w=4"), None);
    assert_eq!(
        sample(Conversion::Number, "| w > 5", "v=1 w=6"),
        Some((1.0, r#"v="1" w="6""#.into()))
    );
}
