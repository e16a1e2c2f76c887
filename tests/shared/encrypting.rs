//! Servers that were built without TLS.

use stagegate::sandbox::programs::Programs;

/// What a server says that was built without TLS, and only such a program holds.
const WITHOUT: &[u8] = b"SSL is not supported by this build";

/// Whether the server of the tests cannot encrypt; said, where it cannot.
pub fn cannot_encrypt() -> bool {
    let programs = Programs::find().unwrap();
    let postgres = std::fs::read(programs.postgres).unwrap();
    let plain = postgres.windows(WITHOUT.len()).any(|part| part == WITHOUT);
    if plain {
        crate::aloud::skip("this server was built without TLS");
    }
    plain
}
