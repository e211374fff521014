//! Certificates by the real `openssl`, and a client that reports which certificate a server shows.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use common::replace::replace;

/// A certificate authority, with its files in a directory of its own.
#[derive(Debug)]
pub struct Authority {
    directory: PathBuf,
    last_serial: AtomicU32,
}

/// A certificate and its key, as PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Issued {
    /// Its serial number as openssl prints it: `1001`.
    pub serial: String,
    /// The certificate.
    pub certificate: String,
    /// The private key.
    pub key: String,
}

/// What a client saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// The serial number.
    pub serial: String,
    /// The SHA-1 fingerprint as HAProxy prints it.
    pub fingerprint: String,
    /// Whether the client's authority has issued the certificate for the host.
    pub is_trusted: bool,
}

impl Authority {
    /// A new authority with its files in `directory`, which is created.
    pub fn new(directory: &Path) -> Authority {
        fs::create_dir_all(directory).unwrap();
        let authority = Authority { directory: directory.to_owned(), last_serial: AtomicU32::new(0x1000) };
        authority.run(
            &["req", "-x509", "-days", "30", "-subj", "/CN=Test authority", "-keyout", "ca.key"],
            "ca.pem",
        );
        authority
    }

    /// Its certificate's file.
    pub fn file(&self) -> PathBuf {
        self.directory.join("ca.pem")
    }

    /// Its certificate, as PEM.
    pub fn pem(&self) -> String {
        fs::read_to_string(self.file()).unwrap()
    }

    /// A certificate for a host, with a new key and serial number.
    pub fn issue(&self, host: &str) -> Issued {
        let (serial, subject) = (self.next_serial(), format!("/CN={host}"));
        let name = format!("subjectAltName=DNS:{host}");
        let mut arguments = vec!["req", "-x509", "-days", "30", "-CA", "ca.pem", "-CAkey", "ca.key"];
        arguments.extend(["-subj", &subject, "-addext", &name, "-set_serial", &serial, "-keyout"]);
        let key = format!("{serial}.key");
        arguments.push(&key);
        self.issued(&serial, &arguments)
    }

    /// A certificate that has just expired: Debian 13's openssl issues none that expired before it began.
    pub fn issue_expired(&self, host: &str) -> Issued {
        let (serial, subject) = (self.next_serial(), format!("/CN={host}"));
        let key = format!("{serial}.key");
        self.run(&["req", "-new", "-subj", &subject, "-keyout", &key], "request.pem");
        let mut arguments = vec!["x509", "-req", "-in", "request.pem", "-days", "0"];
        arguments.extend(["-CA", "ca.pem", "-CAkey", "ca.key", "-set_serial", &serial]);
        self.issued(&serial, &arguments)
    }

    /// The list of those of its certificates that it has revoked, as PEM.
    pub fn revoke(&self, revoked: &[&Issued]) -> String {
        let line = |issued: &&Issued| {
            format!("R\t491231235959Z\t260101000000Z\t{}\tunknown\t/CN=x\n", issued.serial)
        };
        let put =
            |name: &str, text: &str| replace(&self.directory.join(name), text.as_bytes(), 0o600).unwrap();
        put("index", &revoked.iter().map(line).collect::<String>());
        put("number", "01\n");
        put("settings", "[ca]\ndefault_ca=x\n[x]\ndatabase=index\ncrlnumber=number\ndefault_md=sha256\n");
        let arguments = [
            "ca", "-config", "settings", "-gencrl", "-crldays", "30", "-cert", "ca.pem", "-keyfile", "ca.key",
        ];
        self.run(&arguments, "revoked.pem");
        fs::read_to_string(self.directory.join("revoked.pem")).unwrap()
    }

    /// Its statement that a certificate is valid for so many days, for clients to see with the certificate (DER).
    pub fn staple(&self, issued: &Issued, days: u32) -> Vec<u8> {
        let put =
            |name: &str, text: &str| replace(&self.directory.join(name), text.as_bytes(), 0o600).unwrap();
        put("valid", &format!("V\t491231235959Z\t\t{}\tunknown\t/CN=x\n", issued.serial));
        put("leaf.pem", &issued.certificate);
        let mut command = Command::new("openssl");
        command.current_dir(&self.directory).args(["ocsp", "-index", "valid", "-rsigner", "ca.pem"]);
        command.args(["-rkey", "ca.key", "-CA", "ca.pem", "-issuer", "ca.pem", "-cert", "leaf.pem"]);
        command.args(["-no_nonce", "-ndays", &days.to_string(), "-respout", "staple.der"]);
        finish(command.output().unwrap());
        fs::read(self.directory.join("staple.der")).unwrap()
    }

    /// Until when the statement is valid that clients see with the certificate, as openssl prints it; `None` if they
    /// see none.
    pub fn look_at_staple(&self, address: SocketAddr, host: &str) -> Option<String> {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-status", "-connect", &address.to_string(), "-servername", host]);
        let said = output_of(&mut command, "");
        said.lines().find_map(|line| line.trim().strip_prefix("Next Update: ")).map(str::to_owned)
    }

    fn next_serial(&self) -> String {
        format!("0x{:X}", self.last_serial.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Whether a client that shows this certificate gets an answer that contains `body`.
    pub fn serves(&self, address: SocketAddr, client: &Issued, body: &str) -> bool {
        let file = self.directory.join("client.pem");
        replace(&file, client.pem().as_bytes(), 0o600).unwrap();
        let mut command = Command::new("openssl");
        command.args(["s_client", "-quiet", "-connect", &address.to_string(), "-cert"]).arg(file);
        let request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        output_of(&mut command, request).contains(body)
    }

    fn issued(&self, serial: &str, arguments: &[&str]) -> Issued {
        let file = format!("{serial}.pem");
        self.run(arguments, &file);
        let read = |name: String| fs::read_to_string(self.directory.join(name)).unwrap();
        let certificate = read(file);
        Issued { serial: serial[2..].to_owned(), certificate, key: read(format!("{serial}.key")) }
    }

    /// Runs openssl in the directory; a request gets a new key.
    fn run(&self, arguments: &[&str], out: &str) {
        let mut command = Command::new("openssl");
        command.current_dir(&self.directory).args(arguments).args(["-out", out]);
        if arguments[0] == "req" {
            command.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
        }
        finish(command.output().unwrap());
    }

    /// What a client that trusts this authority sees at an address. Panics if there is no answer.
    pub fn look(&self, address: SocketAddr, host: &str) -> Served {
        self.try_look(address, host).unwrap_or_else(|said| panic!("nobody serves {host}: {said}"))
    }

    /// Like `look`; fails with what openssl printed.
    pub fn try_look(&self, address: SocketAddr, host: &str) -> Result<Served, String> {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-connect", &address.to_string(), "-servername", host]);
        command.args(["-verify_hostname", host, "-CAfile"]).arg(self.file());
        let output = command.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let Some(start) = said.find("-----BEGIN CERTIFICATE-----") else {
            return Err(said + &String::from_utf8_lossy(&output.stderr));
        };
        let (serial, fingerprint) = describe(&said[start..]);
        Ok(Served { serial, fingerprint, is_trusted: said.contains("Verify return code: 0 (ok)") })
    }
}

impl Issued {
    /// Certificate and key, as one file for HAProxy.
    pub fn pem(&self) -> String {
        format!("{}{}", self.certificate, self.key)
    }

    /// The lines of the key that nobody must see.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.key.lines().filter(|line| !line.starts_with("-----"))
    }
}

/// The serial number and the fingerprint of a certificate.
fn describe(pem: &str) -> (String, String) {
    let mut command = Command::new("openssl");
    let said = output_of(command.args(["x509", "-noout", "-serial", "-fingerprint", "-sha1"]), pem);
    let value = |line: &str| line.split_once('=').unwrap().1.replace(':', "");
    let mut lines = said.lines().map(value);
    (lines.next().unwrap(), lines.next().unwrap())
}

/// What a command prints that gets this input.
fn output_of(command: &mut Command, input: &str) -> String {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    // A client whose certificate is refused may end before it has read this.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    String::from_utf8_lossy(&child.wait_with_output().unwrap().stdout).into_owned()
}

fn finish(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
