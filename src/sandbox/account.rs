//! Who runs the server: ourselves, or, since PostgreSQL refuses root, another user of this system.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{SandboxError, environment};

/// A user of this system that the server is run as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SystemAccount {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl SystemAccount {
    /// Whom to become: nobody else for an ordinary user; `postgres`, else `nobody`, for root.
    pub(super) fn for_server() -> Result<Option<Self>, SandboxError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let users = fs::read_to_string("/etc/passwd")
            .map_err(SandboxError::io("read the users of this system"))?;
        ["postgres", "nobody"]
            .iter()
            .find_map(|name| Self::in_passwd(&users, name))
            .map(Some)
            .ok_or(SandboxError::NoServerUser)
    }

    fn in_passwd(users: &str, name: &str) -> Option<Self> {
        let line = users
            .lines()
            .find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        // macOS writes nobody's -2 as a negative number.
        let mut id = || {
            let number: i64 = fields.next()?.parse().ok()?;
            u32::try_from(number)
                .ok()
                .or_else(|| i32::try_from(number).ok().map(i32::cast_unsigned))
        };
        let (uid, gid) = (id()?, id()?);
        (uid != 0).then(|| Self {
            name: name.to_owned(),
            uid,
            gid,
        })
    }
}

/// Makes a command run as that account. Supplementary groups go with root's user id.
pub(super) fn run_as(command: &mut Command, account: Option<&SystemAccount>) {
    if let Some(account) = account {
        command.uid(account.uid).gid(account.gid);
    }
}

/// Whether the account can run that program and enter that folder; the reason if it cannot.
///
/// Asked by trying it: permissions of every parent, ACLs and mount options all have their say.
pub(super) fn reaches(
    account: &SystemAccount,
    program: &Path,
    folder: &Path,
) -> Result<(), String> {
    let mut probe = Command::new("/bin/sh");
    environment::clean_environment(&mut probe);
    probe
        .args(["-c", r#"[ -x "$1" ] || exit 3; cd "$2" || exit 4"#, "sh"])
        .arg(program)
        .arg(folder)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    run_as(&mut probe, Some(account));
    let (path, verb) = match probe.status() {
        Ok(status) if status.success() => return Ok(()),
        Ok(status) if status.code() == Some(3) => (program, "run"),
        Ok(_) => (folder, "enter"),
        Err(error) => {
            return Err(format!(
                "cannot run a program as user \"{}\": {error}",
                account.name
            ));
        }
    };
    Err(format!(
        "user \"{}\", as whom the server runs because PostgreSQL refuses root, cannot {verb} {} \
         (a parent folder that only root may enter?)",
        account.name,
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_is_read_from_passwd() {
        let users = "root:x:0:0::/root:/bin/sh\n\
                     nobody:*:-2:-2:Unprivileged User:/var/empty:/usr/bin/false\n\
                     postgres:x:101:104::/var/lib/postgresql:/bin/bash\n";
        let found = SystemAccount::in_passwd(users, "postgres").unwrap();
        assert_eq!((found.uid, found.gid), (101, 104));
        let nobody = SystemAccount::in_passwd(users, "nobody").unwrap();
        assert_eq!(nobody.uid, 4_294_967_294);
        assert_eq!(SystemAccount::in_passwd(users, "root"), None, "never root");
        assert_eq!(SystemAccount::in_passwd(users, "absent"), None);
    }
}
