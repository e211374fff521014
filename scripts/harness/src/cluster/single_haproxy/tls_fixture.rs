//! The fixture of a test of certificates: a HAProxy that terminates TLS, an authority, and files that are replaced.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;

use common::replace::replace;

use crate::cluster::single_haproxy::fixture::HaproxyFixture;
use crate::cluster::single_haproxy::outcome::{Outcome, assert_done};
use crate::daemons::haproxy::Mode;
use crate::daemons::tls::{Authority, Issued};

/// The host of the first certificate.
pub const HOST: &str = "www.example";

/// A HAProxy that terminates TLS, with its certificates in the directory `certs` of the run.
#[derive(Debug)]
pub struct TlsFixture {
    fixture: HaproxyFixture,
    /// Who issues the certificates.
    pub authority: Authority,
    /// More lines for `global`.
    pub global: String,
}

impl Deref for TlsFixture {
    type Target = HaproxyFixture;

    fn deref(&self) -> &HaproxyFixture {
        &self.fixture
    }
}

impl DerefMut for TlsFixture {
    fn deref_mut(&mut self) -> &mut HaproxyFixture {
        &mut self.fixture
    }
}

impl TlsFixture {
    /// A fixture without a configuration.
    pub fn empty() -> TlsFixture {
        let fixture = HaproxyFixture::empty();
        let authority = Authority::new(&fixture.run.join("authority"));
        fs::create_dir(fixture.run.join("certs")).unwrap();
        TlsFixture { fixture, authority, global: String::new() }
    }

    /// A proven HAProxy that serves `certs/site.pem`; also returns what is in it.
    pub fn serving() -> (TlsFixture, Issued) {
        let mut fixture = TlsFixture::empty();
        let issued = fixture.renew("site.pem");
        fixture.write_binds(&["crt CERTS/site.pem"]);
        fixture.start_proven(Mode::MasterSocket);
        fixture.assert_serves(HOST, &issued);
        (fixture, issued)
    }

    /// Starts a HAProxy on the file, and runs reload-haproxy until it has verified that HAProxy runs the files. It may
    /// load files first that were written shortly before the start.
    pub fn start_proven(&mut self, mode: Mode) {
        self.start(mode);
        assert_done(&self.reload(&[]), "");
        assert_done(&self.reload(&[]), "nothing to do");
    }

    /// Replaces the configuration: a frontend with a `bind` line for each of these options, at `tls_address(0)` and the ports after it.
    /// `CERTS` stands for the directory of the certificates.
    pub fn write_binds(&self, binds: &[&str]) {
        let certs = self.certs("").display().to_string();
        let bind = |(number, options): (usize, &&str)| {
            let options = options.replace("CERTS/", &certs);
            format!("  bind {} ssl {options}\n", self.tls_address(number))
        };
        let binds: String = binds.iter().enumerate().map(bind).collect();
        let sections = format!(
            "frontend web\n{binds}  http-request return status 200 content-type text/plain string served\n"
        );
        self.write_text(&format!("{}{sections}", self.head(&self.global, &sections)));
    }

    /// The address of a `bind` line.
    pub fn tls_address(&self, number: usize) -> SocketAddr {
        SocketAddr::new(self.subnet.host(1).into(), 8443 + u16::try_from(number).unwrap())
    }

    /// A file in the directory of the certificates.
    pub fn certs(&self, name: &str) -> PathBuf {
        self.run.join("certs").join(name)
    }

    /// Replaces a file in the directory of the certificates.
    pub fn put(&self, name: &str, text: &str) {
        replace(&self.certs(name), text.as_bytes(), 0o640).unwrap();
    }

    /// Replaces a file by a new certificate of `HOST` with its key; returns them.
    pub fn renew(&self, name: &str) -> Issued {
        let issued = self.authority.issue(HOST);
        self.put(name, &issued.pem());
        issued
    }

    /// Asserts that clients of the first `bind` line get this certificate, and trust it.
    #[track_caller]
    pub fn assert_serves(&self, host: &str, issued: &Issued) {
        self.assert_serves_at(0, host, issued);
    }

    /// Asserts that clients of a `bind` line get this certificate, and trust it.
    #[track_caller]
    pub fn assert_serves_at(&self, bind: usize, host: &str, issued: &Issued) {
        let served = self.authority.look(self.tls_address(bind), host);
        assert_eq!((served.serial.as_str(), served.is_trusted), (issued.serial.as_str(), true), "{host}");
    }

    /// Runs reload-haproxy, which must change files without a reload; then it has nothing to do.
    #[track_caller]
    pub fn change_files(&self) -> Outcome {
        let outcome = self.change();
        assert_done(&self.reload(&[]), "nothing to do");
        assert_eq!(self.told(&["--status"]).0, 0);
        outcome
    }
}
