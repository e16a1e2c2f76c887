//! Hands that type into a terminal.

use std::io::Write;

/// Types on a thread of its own: a terminal whose queue is full takes nothing more, and a test must
/// not wait there.
pub fn seat(mut keys: Box<dyn Write + Send>) -> impl Write + Send {
    struct Typist(std::sync::mpsc::Sender<Vec<u8>>);
    impl Write for Typist {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let sent = self.0.send(bytes.to_vec());
            sent.map_err(std::io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let (send, typed) = std::sync::mpsc::channel::<Vec<u8>>();
    std::thread::spawn(move || {
        for bytes in typed {
            if keys.write_all(&bytes).and_then(|()| keys.flush()).is_err() {
                return;
            }
        }
    });
    Typist(send)
}
