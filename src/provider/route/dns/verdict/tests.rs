//! Answers to an update: signed and not, ours and not.

use hickory_proto::{
    op::{MessageType, OpCode, Query},
    rr::{Name, RecordType, TSigResponseContext, rdata::tsig::TsigAlgorithm},
};

use super::*;

const NOW: u64 = 1_700_000_000;

fn key(secret: &[u8]) -> TSigner {
    let name = Name::from_ascii("drain.").expect("a name");
    TSigner::new(secret.to_vec(), TsigAlgorithm::HmacSha256, name, 300).expect("a key")
}

/// An update, signed, and what checks the answer.
fn update(key: &TSigner) -> (Message, TSigVerifier) {
    let mut update = Message::new(7, MessageType::Query, OpCode::Update);
    update.add_query(Query::query(Name::from_ascii("lab.example.").expect("a name"), RecordType::SOA));
    let verifier = update.finalize(key, NOW).expect("a signature").expect("a verifier");
    (update, verifier)
}

/// What is made of an answer with this code, signed with a key or not at all.
fn said(code: ResponseCode, signed_by: Option<&TSigner>) -> Verdict {
    let key = key(b"sixteen bytes or more");
    let (update, verifier) = update(&key);
    let mut answer = Message::response(7, OpCode::Update);
    answer.metadata.response_code = code;
    answer.add_query(update.queries[0].clone());
    let mac = update.signature().expect("a signature").data.mac.clone();
    if let Some(signer) = signed_by {
        let unsigned = answer.to_vec().expect("bytes");
        let context = TSigResponseContext::new(7, NOW, signer.clone(), mac, None);
        answer.set_signature(context.sign(&unsigned).expect("a signature"));
    }
    verdict(&update, &answer.to_vec().expect("bytes"), &key, verifier)
}

#[test]
fn only_a_signature_says_that_it_was_done() {
    let (right, wrong) = (key(b"sixteen bytes or more"), key(b"another secret of ours"));
    assert_eq!(said(ResponseCode::NoError, Some(&right)), Verdict::Done);
    assert_eq!(said(ResponseCode::NXRRSet, Some(&right)), Verdict::Changed);
    for signer in [None, Some(&wrong)] {
        for code in [ResponseCode::NoError, ResponseCode::NXRRSet, ResponseCode::ServFail] {
            assert!(matches!(said(code, signer), Verdict::Unknown(_)), "{code}");
        }
    }
    assert!(matches!(said(ResponseCode::ServFail, Some(&right)), Verdict::Unknown(_)));
}

#[test]
fn a_refusal_needs_no_signature() {
    for (code, elsewhere) in [
        (ResponseCode::Refused, true),
        (ResponseCode::NotAuth, true),
        (ResponseCode::NotImp, true),
        (ResponseCode::NotZone, false),
        (ResponseCode::FormErr, false),
    ] {
        match said(code, None) {
            Verdict::NotPrimary(_) => assert!(elsewhere, "{code}"),
            Verdict::Refused(_) => assert!(!elsewhere, "{code}"),
            other => panic!("{code}: {other:?}"),
        }
    }
}

#[test]
fn an_answer_to_something_else_says_nothing() {
    let key = key(b"sixteen bytes or more");
    let other = |id: u16, op_code: OpCode| {
        let (update, verifier) = update(&key);
        let answer = Message::error_msg(id, op_code, ResponseCode::Refused);
        verdict(&update, &answer.to_vec().expect("bytes"), &key, verifier)
    };
    assert!(matches!(other(7, OpCode::Update), Verdict::NotPrimary(_)));
    assert!(matches!(other(8, OpCode::Update), Verdict::Unknown(_)));
    assert!(matches!(other(7, OpCode::Query), Verdict::Unknown(_)));
    let (update, verifier) = update(&key);
    assert!(matches!(verdict(&update, b"no message", &key, verifier), Verdict::Unknown(_)));
}

#[test]
fn a_clock_that_differs_is_named_with_its_difference() {
    let key = key(b"sixteen bytes or more");
    let bad_time = |theirs: u64| {
        let other = theirs.to_be_bytes()[2..].to_vec();
        let tsig = TSIG::new(TsigAlgorithm::HmacSha256, NOW, 300, Vec::new(), 7, Some(TsigError::BadTime), other);
        signature(TsigError::BadTime, &key, &tsig)
    };
    assert!(bad_time(NOW + 412).contains("412 s ahead"), "{}", bad_time(NOW + 412));
    assert!(bad_time(NOW - 3600).contains("3600 s behind"));
}
