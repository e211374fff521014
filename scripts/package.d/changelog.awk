# changelog.awk: makes a Debian changelog of CHANGELOG.md.
#
# The sections of releases become entries, `## 0.1.0 - 2026-11-27` or, before the release, `## 0.1.0`.
#
# usage: awk -v maintainer='NAME <MAIL>' -v today=YYYY-MM-DD -f changelog.awk CHANGELOG.md
# needs: date

function end_item() {
    line = "  *"
    for (i = 1; i <= words; i++) {
        if (length(line " " item[i]) > 76) {
            print line
            line = "   "
        }
        line = line " " item[i]
    }
    if (words) print line
    words = 0
}

function end_entry() {
    end_item()
    if (!day) return
    command = "LC_ALL=C date -u -R -d " day
    command | getline date
    close(command)
    print "\n -- " maintainer "  " date
    day = ""
}

/^## [0-9]/ {
    end_entry()
    day = $4 ~ /^[0-9-]+$/ ? $4 : today
    print (entries++ ? "\n" : "") "rollcall (" $2 ") stable; urgency=medium\n"
    next
}
/^## / { end_entry() }
!day { next }
/^- / {
    end_item()
    sub(/^- /, "")
}
NF { for (i = 1; i <= NF; i++) item[++words] = $i }
END { end_entry() }
