//! Which files a configuration names, read from texts.

use crate::config::facts::facts;
use crate::config::files::Mentions;
use crate::config::files::named::FileKind;

const TEXT: &str = "\
global
  crt-base /etc/certs
  ca-base /etc/ca
  lua-load /etc/x.lua a b
  ssl-load-extra-files none
crt-store web
  crt-base /srv
  load crt a.pem key a.key alias a
  load crt b.pem
crt-store
  load crt c.pem
defaults
  errorfile 503 /e/503.http
frontend f
  bind :443 ssl crt site.pem crt /abs/dir/ ca-file ca.pem crl-file \"/c r l\" crt @web/a ca-verify-file @system-ca
  bind :444 ssl crt-list /l.txt default-crt d.pem crt \"$NAME.pem\"
  acl a hdr(host) -i -m str -f /a.lst -f /b.lst -- -f /no
  http-request deny if { src -f /c.lst } !{ path -f } { path -M -f /k.map }
  http-request set-map(/w.map) %[src] %[path,map_beg(/m.map,none),lower]
  http-request return status 200 content-type \"text/plain\" lf-file /r.txt if { path -m reg file$ }
  http-request set-header file /no if { req.hdr(x),map_reg_int('/q 1.map') -m found }
  use_backend %[base,map(opt@/o.map)] if { path,map(virt@/v.map) -m found }
  http-request set-var(txn.x) req.hdr(a),url_map(/no),jwt_verify(txn.a,/k.pem)
.if feature(X)
  errorfile 500 /e/500.http
.endif
backend b
  filter spoe engine e config /s.cfg
  server s1 10.0.0.1:80 ssl ca-file other.pem crt client.pem
  server s2 10.0.0.2:80 ssl ca-file other.pem
http-errors them
  errorfile 404 rel/404.http
";

#[test]
fn the_files_of_all_lines_are_found_once_each() {
    let files = facts(TEXT).files;
    let shown: Vec<String> =
        files.files.iter().map(|file| format!("{} {:?} {}", file.line, file.kind, file.name)).collect();
    let expected = [
        "4 Other /etc/x.lua",
        "8 Certificate @web/a",
        "9 Certificate @web/b.pem",
        "11 Certificate /etc/certs/c.pem",
        "13 Other /e/503.http",
        "15 Certificate /etc/certs/site.pem",
        "15 Certificate /abs/dir/",
        "15 Authorities /etc/ca/ca.pem",
        "15 Revocations /c r l",
        "16 CertificateList /l.txt",
        "16 DefaultCertificate /etc/certs/d.pem",
        "17 Acl /a.lst",
        "17 Acl /b.lst",
        "18 Acl /c.lst",
        "18 Map /k.map",
        "19 Map /m.map",
        "20 Other /r.txt",
        "21 Map /q 1.map",
        "22 Map /o.map",
        "23 Other /k.pem",
        "25 Other /e/500.http",
        "28 Other /s.cfg",
        "29 Authorities /etc/ca/other.pem",
        "29 Certificate /etc/certs/client.pem",
        "32 Other rel/404.http",
    ];
    assert_eq!(shown, expected);
    assert_eq!(files.unresolved, [(16, "/etc/certs/$NAME.pem".to_owned())]);
    assert_eq!(files.written.iter().collect::<Vec<_>>(), ["/w.map"]);
    let conditional: Vec<usize> =
        files.files.iter().filter(|file| file.is_conditional).map(|file| file.line).collect();
    assert_eq!(conditional, [22, 25]);
    assert!(!files.extra.has_bundles && files.extra.suffixes.is_empty());
}

#[test]
fn a_stored_certificate_has_files_beside_it() {
    let files = facts(TEXT).files;
    assert_eq!(files.files[1].path, "/srv/a.pem");
    assert_eq!(files.files[1].beside, [("key", "/srv/a.key".to_owned())]);
    assert_eq!(files.files[1].more_lines, [15], "the line that uses it");
}

#[test]
fn a_stored_certificate_that_is_a_default_needs_a_reload() {
    let text = TEXT.replace("default-crt d.pem", "default-crt @web/a");
    let files = facts(&text).files;
    let kinds = files.files.iter().filter(|file| file.name == "@web/a").map(|file| file.kind);
    assert_eq!(kinds.collect::<Vec<_>>(), [FileKind::DefaultCertificate]);
}

#[test]
fn lines_that_may_name_a_file_are_found() {
    let text = "a crt\n\u{e9} none\r\n\ncrt-file crt\ncr\nt -fil\ne\nx ca-file";
    let mut mentions = Mentions::find(text);
    for line in text.lines().filter(|line| !line.is_empty()) {
        let expected = line.contains("crt") || line.contains("-file");
        assert_eq!(mentions.are_in(line), expected, "{line:?}");
    }
}
