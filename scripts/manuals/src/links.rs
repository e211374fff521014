//! Where a link of a manual leads in the package: to another man page, to a page of the documentation, or elsewhere.

/// Where the package has the scripts.
const LIBEXEC: &str = "/usr/libexec/rollcall/";

/// What `page` says after the `text` of a link, such as ` (render-cfg(1))`. Empty for a link within the page.
pub(crate) fn target(link: &str, text: &str, page: &str) -> String {
    if link.starts_with("http") {
        return format!(" <{link}>");
    }
    match man_page(link) {
        Some((name, _)) if name == page => String::new(),
        Some((name, section)) if name == text => format!("({section})"),
        Some((name, section)) => format!(" ({name}({section}))"),
        None if documentation(link).is_empty() => String::new(),
        None => format!(" ({})", documentation(link)),
    }
}

/// The man page that is made of the file that a link names.
fn man_page(link: &str) -> Option<(&str, u8)> {
    let file = link.split('#').next().unwrap_or_default();
    if link.ends_with("autoscale/README.md#autoscale-apply") || link == "#autoscale-apply" {
        return Some(("autoscale-apply", 1));
    }
    let mut parts = file.rsplit('/');
    match (parts.next()?, parts.next()) {
        ("settings.md", _) => Some(("rollcall-settings", 5)),
        ("rollcall-setup.md", _) => Some(("rollcall-setup", 8)),
        ("record.md", _) => Some(("rollcall-record", 5)),
        (
            "README.md",
            Some(name @ ("member-join" | "member-leave" | "render-cfg" | "reload-haproxy" | "autoscale")),
        ) => Some((name, 1)),
        _ => None,
    }
}

/// The file of the documentation that a link names, if the package has it.
fn documentation(link: &str) -> String {
    let file = link.split('#').next().unwrap_or_default();
    let folder = |name: &str| format!("/usr/share/doc/rollcall/{name}.gz");
    match file.rsplit('/').next().unwrap_or_default() {
        "SECURITY.md" => folder("SECURITY.md"),
        name @ ("installation.md"
        | "wirings.md"
        | "consul.md"
        | "members.md"
        | "two-balancers.md"
        | "autoscale.md"
        | "autoscale-metrics.md"
        | "certificates.md"
        | "metrics.md"
        | "exit-codes.md"
        | "proofs.md") => folder(&format!("docs/{name}")),
        _ => String::new(),
    }
}

/// A command or a path as it is in the package: `scripts/watch` is `/usr/libexec/rollcall/watch` there.
pub(crate) fn installed(code: &str) -> String {
    const SCRIPTS: [&str; 8] = [
        "serf-handler",
        "consul-handler",
        "reconcile",
        "watch",
        "autoscale-run",
        "balancer-check",
        "settings.sh",
        "check.cfg",
    ];
    let text = code.replace("/usr/local/lib/rollcall/", LIBEXEC);
    SCRIPTS
        .iter()
        .fold(text, |text, name| text.replace(&format!("scripts/{name}"), &format!("{LIBEXEC}{name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_names_the_page_of_the_package() {
        let is = |link, text| assert_eq!(target(link, "autoscale", "member-join"), text, "{link}");
        is("../render-cfg/README.md#examples", " (render-cfg(1))");
        is("../scripts/autoscale/README.md#autoscale-apply", " (autoscale-apply(1))");
        is("../scripts/autoscale/README.md", "(1)");
        is("settings.md", " (rollcall-settings(5))");
        is("installation.md#9-the-log", " (/usr/share/doc/rollcall/docs/installation.md.gz)");
        is("https://example.net/", " <https://example.net/>");
        is("../member-join/README.md#consul", "");
        is("#consul", "");
        is("../docs/figures.md", "");
    }

    #[test]
    fn a_script_is_where_the_package_has_it() {
        assert_eq!(installed("scripts/watch --ready-fd 3"), "/usr/libexec/rollcall/watch --ready-fd 3");
        assert_eq!(
            installed("ExecStart=/usr/local/lib/rollcall/watch"),
            "ExecStart=/usr/libexec/rollcall/watch"
        );
        assert_eq!(installed("scripts/demo"), "scripts/demo");
    }
}
