//! What a server's answer to an update means, in plain words.
//!
//! Only an answer with a valid signature says that something was done. A refusal may come unsigned: a server that does
//! not know the key cannot sign with it. After a refusal nothing has changed; after everything else, a silence
//! included, the outcome is unknown until it is read.

use hickory_proto::{
    op::{Message, ResponseCode},
    rr::{
        TSigVerifier, TSigner,
        rdata::{TSIG, tsig::TsigError},
    },
};

use super::message;

/// What became of an update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Done, and signed for.
    Done,
    /// Not done: the set is another one than was named.
    Changed,
    /// Not done: this server takes no updates of the zone. Another one may.
    NotPrimary(String),
    /// Not done.
    Refused(String),
    /// Nobody knows.
    Unknown(String),
}

/// Reads the answer to `sent`, which was signed with `key`.
pub(super) fn verdict(sent: &Message, bytes: &[u8], key: &TSigner, mut verifier: TSigVerifier) -> Verdict {
    let answer = match message::reply(sent, bytes) {
        Ok(answer) => answer,
        Err(why) => return Verdict::Unknown(why),
    };
    let tsig = answer.signature().map(|record| &record.data);
    if let Some((error, tsig)) = tsig.and_then(|tsig| Some((tsig.error?, tsig))) {
        let why = signature(error, key, tsig);
        // A secondary need not know the key.
        return if error == TsigError::BadKey { Verdict::NotPrimary(why) } else { Verdict::Refused(why) };
    }
    let said = answer.metadata.response_code;
    let signed = verifier.verify(bytes).is_ok();
    let code = message::code(said);
    match said {
        ResponseCode::NoError if signed => Verdict::Done,
        ResponseCode::NoError => Verdict::Unknown("it says that it is done, but its signature is not valid".into()),
        ResponseCode::NXRRSet | ResponseCode::YXRRSet | ResponseCode::NXDomain | ResponseCode::YXDomain if signed => {
            Verdict::Changed
        }
        ResponseCode::NotAuth => Verdict::NotPrimary(format!("it is no primary of the zone ({code})")),
        ResponseCode::NotImp => Verdict::NotPrimary(format!("it takes no updates at all ({code})")),
        ResponseCode::Refused => Verdict::NotPrimary(format!(
            "it does not accept this update ({code}): the key {} may not be allowed to change this record, updates may \
             be off, or this is a secondary",
            key.signer_name()
        )),
        ResponseCode::NotZone => Verdict::Refused(format!("the name lies outside the zone there ({code})")),
        ResponseCode::FormErr => Verdict::Refused(format!("it does not understand the update ({code})")),
        _ => Verdict::Unknown(format!("it answered {code}")),
    }
}

fn signature(error: TsigError, key: &TSigner, tsig: &TSIG) -> String {
    let name = key.signer_name();
    match error {
        TsigError::BadKey => format!(
            "it does not know the key {name} with {} (BADKEY): compare the key's name and algorithm there",
            key.algorithm()
        ),
        TsigError::BadSig => format!("the secret of the key {name} is another one there (BADSIG)"),
        TsigError::BadTime => {
            let theirs = tsig.other.iter().fold(0u64, |sum, byte| (sum << 8) | u64::from(*byte));
            match (tsig.other.len(), theirs.checked_sub(tsig.time)) {
                (6, Some(ahead)) => format!("its clock is {ahead} s ahead of this one (BADTIME)"),
                (6, None) => format!("its clock is {} s behind this one (BADTIME)", tsig.time - theirs),
                _ => "its clock and this one differ too much (BADTIME)".into(),
            }
        }
        TsigError::BadTrunc => format!("it wants longer signatures with the key {name} (BADTRUNC)"),
        TsigError::Unknown(code) => format!("it rejects the signature of the key {name} (error {code})"),
    }
}

#[cfg(test)]
mod tests;
