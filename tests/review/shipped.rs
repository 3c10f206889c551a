//! The configurations that are shipped as examples stand up to the review, as far as it can be asked of them.

use std::path::Path;

use tidegate::{
    config,
    review::{Facts, review},
};

use super::clean::{now, told};

#[test]
fn shipped_configurations_have_no_finding() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let files = std::fs::read_dir(&folder).expect("config").map(|e| e.expect("an entry").path());
    let mut read = 0;
    for path in files.filter(|p| p.extension().is_some_and(|e| e == "toml")) {
        let settings = config::load(&path).expect("it loads");
        let members: Vec<_> = settings.nodes.iter().filter(|(_, n)| !n.outside).map(|(name, _)| name.clone()).collect();
        let topology = settings.topology(&members);
        let review = review(&Facts { settings: &settings, topology: &topology, found: None, now: now() });
        assert_eq!(told(&review.findings), [""; 0], "{}", path.display());
        read += 1;
    }
    assert!(read >= 3, "{read} configurations");
}
