//! Tests with errors in files, and with arbitrary text.

use super::*;
use proptest::prelude::*;

fn read(text: &str) -> Result<(Session, Vec<Trial>), PairedError> {
    paired(text.as_bytes(), &Reading::default())
}

#[test]
fn every_error_names_its_line() {
    for (text, words) in [
        ("", &["line 1", "'block'"][..]),
        ("block,condition,value\n", &["line 1", "'metric'", "block,condition,value"]),
        ("block,condition,metric,value,Value\n", &["line 1", "more than one", "'value'"]),
        ("block,condition,metric,value\n", &["no values"]),
        ("block,condition,metric,value\n1,a,t,1\n1,b,,1\n", &["line 3", "'metric'", "empty"]),
        ("block,condition,metric,value\n1,a,t\n", &["line 2", "'value'", "empty"]),
        ("block,condition,metric,value\n1,a,t,fast\n", &["line 2", "'fast'", "not a finite number"]),
        ("block,condition,metric,value\n1,a,t,inf\n", &["line 2", "'inf'"]),
        ("block,condition,metric,value\n1,a,t,1\n\n1,a,t,2\n", &["line 4", "second value", "line 2"]),
        ("block,condition,metric,value,unit\n1,a,t,1,s\n2,a,t,1,ms\n", &["line 3", "'ms'", "'s'"]),
        ("block,condition,metric,value,unit\n1,a,t,1,ms/s\n", &["line 2", "'t'", "'ms/s'", "not known"]),
        ("block,condition,metric,value\n1,a,t,1\n", &["line 2", "'t'", "not known"]),
    ] {
        let said = read(text).expect_err(text).to_string();
        assert!(words.iter().all(|word| said.contains(word)), "{text:?}: {said}");
    }
    let said = paired(&b"block,condition,metric,value\n1,\xff,t,1\n"[..], &Reading::default());
    assert!(said.expect_err("no UTF-8").to_string().contains("line 2"));
    let reading = Reading { baseline: Some("c".to_owned()), ..Reading::default() };
    let said = paired(&b"block,condition,metric,value,unit\n1,a,t,1,s\n1,b,t,1,s\n"[..], &reading);
    assert!(said.expect_err("not there").to_string().contains("the conditions are a, b"));
}

#[test]
fn columns_may_have_any_order_and_blocks_keep_theirs() {
    let text = "\u{feff}Value, who ,metric,CONDITION,block,unit\n2.5,me,rate,vm,z,req/s\n2,me,rate,bare,z,req/s\n\
                1,me,time,bare,a,ps\n";
    let reading = Reading { baseline: Some("bare".to_owned()), ..Reading::default() };
    let (session, trials) = paired(text.as_bytes(), &reading).expect("understood");
    let values: Vec<(u32, String, f64)> = trials
        .iter()
        .map(|t| (t.block, session.plan.conditions[t.condition].environment.to_string(), t.samples[0].value))
        .collect();
    assert_eq!(values, [(0, "vm".into(), 2.5), (0, "bare".into(), 2.0), (1, "bare".into(), 1.0)]);
    assert_eq!(trials[0].samples[0].metric.better, Better::Higher);
    assert_eq!(trials[2].samples[0].metric.better, Better::Lower);
}

#[test]
fn names_survive_our_own_csv() {
    let names = ["=vm", "'=vm", "@x", "'quoted'", "-5"];
    let mut text = Vec::new();
    let mut table = isotare_core::CsvTable::new(&mut text);
    table.line(["block", "condition", "metric", "value", "unit"]).expect("added");
    for name in names {
        table.line(["=1", name, "+t", "-1.5", "=s"]).expect("added");
    }
    table.flush().expect("written");
    drop(table);
    assert!(String::from_utf8_lossy(&text).contains("'=1,'=vm,'+t,-1.5,'=s"));
    let reading = Reading { lower: vec!["+t".to_owned()], ..Reading::default() };
    let (session, trials) = paired(&text[..], &reading).expect("understood");
    let found: Vec<String> = session.plan.conditions.iter().map(|c| c.environment.to_string()).collect();
    assert_eq!(found, names);
    let sample = &trials[0].samples[0];
    assert_eq!((&*sample.metric.name, &*sample.metric.unit, sample.value), ("+t", "=s", -1.5));
}

#[test]
fn names_of_conditions_do_not_change() {
    for name in ["native", "native#null", "a:b=c,d", "a:b=c, d=e", "#x", "x#", "x#y#z", "Über KVM ½", ":"] {
        assert_eq!(named(name).to_string(), name);
    }
    assert_eq!(named("vm#null").replica.as_deref(), Some("null"));
}

/// From a bug report: a rate that was 10 % higher was called slower.
#[test]
fn a_rate_with_a_prefix_is_better_when_it_is_higher() {
    let text = "block,condition,metric,value,unit\n0,native,rate,100.2,KIOPS\n0,jail,rate,110.6,KIOPS\n";
    let (_, trials) = read(text).expect("understood");
    assert!(trials.iter().all(|trial| trial.samples[0].metric.better == Better::Higher));
}

proptest! {
    #[test]
    fn no_text_causes_a_panic(text in "\\PC{0,80}", rows in prop::collection::vec("[a-c1-3,\\.\"\n# -]{0,20}", 0..12)) {
        let _ = read(&text);
        let _ = read(&format!("block,condition,metric,value,unit\n{}", rows.join("\n")));
    }

    #[test]
    fn every_value_is_read(values in prop::collection::vec(-1e300..1e300_f64, 1..40)) {
        let lines: Vec<String> = values.iter().zip(0..).map(|(v, i)| format!("{},{},t,{v}\n", i / 2, i % 2)).collect();
        let reading = Reading { lower: vec!["t".to_owned()], ..Reading::default() };
        let text = format!("block,condition,metric,value\n{}", lines.concat());
        let (_, trials) = paired(text.as_bytes(), &reading).expect("understood");
        let arrived: Vec<f64> = trials.iter().map(|trial| trial.samples[0].value).collect();
        prop_assert_eq!(arrived, values);
    }
}
