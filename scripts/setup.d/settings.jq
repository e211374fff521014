# settings.jq: prints the settings in a JSON file of Serf, a line for each: $file, KEY and VALUE, separated by tabs.
#
# The key of a nested value is `tags.role`, that of an element of an array `retry_join[]`. The keys of the outermost
# object are in lower case, because Serf ignores their case. Serf takes null as not set. A control character is
# printed as `?`, so a line is always one line; no value that matters here has one.
#
# usage: jq --slurp --raw-output --arg file NAME --from-file settings.jq FILE
def clean: tostring | explode | map(if . < 32 or (. >= 127 and . < 160) then 63 else . end) | implode;

($file | clean) as $name
| if length == 1 and (.[0] | type) == "object" then .[0] else error("it is not one JSON object") end
| to_entries[]
| (.key | ascii_downcase) as $key
| .value
| if type == "object" then to_entries[] | [$key + "." + .key, .value]
  elif type == "array" then .[] | [$key + "[]", .]
  else [$key, .]
  end
| select(.[1] != null)
| [$name, (.[] | clean)] | join("\t")
