//! Whose certificates a client believes, when it is not those that the system believes.

use std::{fmt, path::Path};

use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde::{Deserialize, Serialize};

/// Certificates of authorities, as PEM. They travel with a plan to the hosts that send its load.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Authorities(String);

impl Authorities {
    /// Most bytes of a file.
    const MAX: u64 = 256 << 10;

    /// Reads a file; one without a certificate is an error.
    pub fn read(path: &Path) -> Result<Self, String> {
        let told = |why: String| format!("{}: {why}", path.display());
        let size = std::fs::metadata(path).map_err(|e| told(e.to_string()))?.len();
        if size > Self::MAX {
            return Err(told(format!("{size} bytes are too many for a file of certificates")));
        }
        let pem = std::fs::read_to_string(path).map_err(|e| told(e.to_string()))?;
        Self::try_from(pem).map_err(told)
    }

    /// The certificates.
    pub(super) fn certificates(&self) -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(self.0.as_bytes()).filter_map(Result::ok).collect()
    }
}

impl TryFrom<String> for Authorities {
    type Error = String;

    /// Keeps the certificates and nothing else that is in the file: a key beside them goes nowhere.
    fn try_from(pem: String) -> Result<Self, String> {
        let found = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>();
        let found = found.map_err(|e| format!("no certificate: {e}"))?;
        if found.is_empty() {
            return Err("there is no certificate in it".into());
        }
        let block = |der: &CertificateDer<'_>| {
            let lines = data_encoding::BASE64.encode(der);
            let lines: Vec<_> = lines.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
            format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
        };
        Ok(Self(found.iter().map(block).collect()))
    }
}

impl From<Authorities> for String {
    fn from(authorities: Authorities) -> Self {
        authorities.0
    }
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authorities({} certificates)", self.certificates().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_certificates_are_kept() {
        let made = rcgen::generate_simple_self_signed(["app.example".to_owned()]).expect("a certificate");
        let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let kept = Authorities::try_from(format!("a comment\n{key}{cert}")).expect("one certificate");
        assert_eq!(kept.certificates(), [made.cert.der().clone()]);
        assert!(!String::from(kept.clone()).contains("KEY"));
        let text = serde_json::to_string(&kept).expect("JSON");
        assert_eq!(serde_json::from_str::<Authorities>(&text).expect("the same"), kept);
        assert!(Authorities::try_from(key).is_err());
        assert!(Authorities::read(Path::new("/no/such/file")).is_err_and(|e| e.starts_with("/no/such/file: ")));
    }
}
