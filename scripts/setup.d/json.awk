# json.awk: prints the settings in JSON files of Serf, a line for each: FILE, KEY and VALUE, separated by tabs.
#
# The key of a nested value is `tags.role`, that of an element of an array `retry_join[]`. The keys of the outermost
# object are in lower case, because Serf does not heed their case.
#
# usage: awk -f json.awk FILE...    it ends with 3 after printing the name of a file that is not a JSON object
{
    if (FILENAME != file) { check(); file = FILENAME; text = "" }
    text = text $0 "\n"
}
END { if (!broken) check() }

function check() {
    if (file == "") return
    advance()
    broken = token != "{"
    if (!broken) read("")
    if (!broken && token != "") broken = 1
    if (broken) { print file; exit 3 }
}

# Sets `token` to the next one, and to nothing at the end.
function advance() {
    sub(/^[ \t\r\n]+/, "", text)
    token = ""
    if (match(text, /^"([^"\\]|\\.)*"/) || match(text, /^[][{}:,]/) || match(text, /^[-+.0-9A-Za-z]+/)) {
        token = substr(text, 1, RLENGTH)
        text = substr(text, RLENGTH + 1)
    } else if (text != "") broken = 1
}

function read(path) {
    if (token == "{") read_all(path, "}")
    else if (token == "[") read_all(path, "]")
    else if (token ~ /^["0-9tfn-]/) {
        printf "%s\t%s\t%s\n", file, path, plain(token)
        advance()
    } else broken = 1
}

# Reads the members of an object or the elements of an array.
function read_all(path, end,    key) {
    advance()
    if (token == end) { advance(); return }
    while (!broken) {
        key = path "[]"
        if (end == "}") {
            key = path == "" ? tolower(plain(token)) : path "." plain(token)
            if (token !~ /^"/) broken = 1
            advance()
            if (token != ":") broken = 1
            advance()
        }
        if (!broken) read(key)
        if (token == end) { advance(); return }
        if (token != ",") broken = 1
        advance()
    }
}

# The text of a string token. Escapes other than these are left as they are: no value that matters here has them.
function plain(token) {
    if (token !~ /^"/) return token
    token = substr(token, 2, length(token) - 2)
    gsub(/\\\//, "/", token)
    gsub(/\\"/, "\"", token)
    return token
}
