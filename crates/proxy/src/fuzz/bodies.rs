//! Bodies of requests: cut off, mangled, deeply nested, huge, not UTF-8, of every wrong type.

use proptest::prelude::*;
use serde_json::Value;

use crate::api::error::ApiError;
use crate::toxic::{Kind, Stream, Toxic};
use crate::{json, plan};

/// What a refusal must look like.
fn refused(error: &ApiError) -> Result<(), TestCaseError> {
    prop_assert!(matches!(error.status().as_u16(), 400 | 409), "{error}");
    let text = error.to_string();
    let mut quoted = String::new();
    json::string(&mut quoted, &text);
    prop_assert_eq!(serde_json::from_str::<String>(&quoted).expect("a JSON string"), text);
    Ok(())
}

/// Reads a body in every way there is.
fn read_all(body: &[u8]) -> Result<(), TestCaseError> {
    let outcomes = [
        plan::create(body).map(drop),
        plan::populate(body).map(drop),
        plan::config(&String::from_utf8_lossy(body)).map(drop),
        plan::toxic(body).and_then(plan::Wanted::build).and_then(|toxic| written_back(&toxic)),
        json::first_value(body).and_then(|value| json::object(value, "")).map_err(ApiError::from).and_then(
            |object| {
                let toxic = Toxic::new(crate::Latency::default(), Stream::Downstream);
                plan::changed(&toxic, &object).and_then(|toxic| written_back(&toxic))
            },
        ),
    ];
    outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).try_for_each(refused)
}

/// What was read is written as JSON that reads the same.
fn written_back(toxic: &Toxic) -> Result<(), ApiError> {
    let mut text = String::new();
    toxic.write(&mut text);
    let again = plan::toxic(text.as_bytes())?.build()?;
    assert_eq!(&again, toxic, "{text}");
    Ok(())
}

/// A valid body.
fn body() -> impl Strategy<Value = String> {
    let kind = prop::sample::select(Kind::NAMES.to_vec());
    let attribute = prop::sample::select(vec!["latency", "rate", "bytes", "status", "share", "delay", "x"]);
    (kind, attribute, any::<i32>(), "\\PC{0,12}").prop_map(|(kind, attribute, number, name)| {
        let name = Value::String(name);
        format!(
            r#"[{{"name":{name},"listen":"127.0.0.1:0","upstream":"u:1","enabled":true,"type":"{kind}","stream":"upstream",
            "toxicity":0.5,"attributes":{{"{attribute}":{number},"jitter":null}},"toxics":[{{"type":"{kind}"}}]}}]"#
        )
    })
}

/// Any JSON at all, keyed mostly by what the API knows.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        prop::sample::select(vec!["latency", "http", "tls", "upstream", "DOWNSTREAM", "cut", "hang", "a:1"])
            .prop_map(Value::from),
    ];
    let key = prop_oneof![
        4 => prop::sample::select(vec![
            "name", "NAME", "listen", "upstream", "enabled", "type", "stream", "toxicity", "attributes", "toxics",
            "latency", "jitter", "rate", "death", "fault", "failure", "header", "loss_rate",
        ]).prop_map(str::to_owned),
        1 => "\\PC{0,8}",
    ];
    leaf.prop_recursive(6, 60, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..10)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..400)) {
        read_all(&body)?;
    }

    #[test]
    fn a_mangled_body_is_read_or_refused(
        body in body(), cut in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let whole = body.as_bytes();
        read_all(whole)?;
        read_all(&whole[1..whole.len() - 1])?;
        read_all(&whole[..cut.index(whole.len())])?;
        let mut mangled = whole.to_vec();
        mangled[at.index(whole.len())] = byte;
        read_all(&mangled)?;
    }

    #[test]
    fn any_json_is_read_or_refused(value in value()) {
        read_all(value.to_string().as_bytes())?;
        read_all(Value::Array(vec![value]).to_string().as_bytes())?;
    }
}

proptest! {
    // Each case is large.
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn nesting_and_length_are_read_or_refused(
        depth in prop_oneof![0_usize..200, 10_000_usize..20_000],
        open in prop::sample::select(vec!["[", "{\"attributes\":", "[{\"toxics\":", "{\"name\":["]),
        length in 0_usize..60_000,
    ) {
        read_all(open.repeat(depth).as_bytes())?;
        let name = "\u{fc}".repeat(length);
        read_all(format!(r#"{{"name":"{name}","upstream":"{name}","type":"noop","{name}":{length}}}"#).as_bytes())?;
    }
}
