# handlers.jq: takes the serf-handlers that are not $ours out of a JSON file of Serf. Two would do everything twice.
#
# usage: jq --arg ours PATH --from-file handlers.jq FILE
def is_old: type == "string" and endswith("/serf-handler") and (sub("^[^/]*="; "") != $ours);

(.[keys_unsorted[] | select(ascii_downcase == "event_handlers")] | arrays) |= map(select(is_old | not))
