package asset

import "github.com/dataarts-backup/dataarts-backup/shared/rawjson"

// RewriteOBSPaths returns the definition with every OBS path that change alters: the files that a resource points to, the path that a job writes its
// logs to, and properties of nodes that are an OBS path as a whole (resourcePath, input, output, path). The rest of the text stays as it is.
func RewriteOBSPaths(k Kind, definition []byte, change func(path string) string) []byte {
	var spans []rawjson.Span
	switch k {
	case Resources:
		for name, span := range rawjson.Members(definition) {
			switch name {
			case "location":
				spans = append(spans, span)
			case "dependFiles", "depend_files":
				for e := range elements(definition, span) {
					spans = append(spans, e)
				}
			case "dependPackages", "depend_packages":
				for e := range elements(definition, span) {
					if location, ok := rawjson.Lookup(e.In(definition), "location"); ok {
						spans = append(spans, offset(location, e.Start))
					}
				}
			}
		}
	case Jobs:
		if span, ok := rawjson.Lookup(definition, "logPath"); ok {
			spans = append(spans, span)
		}
		if nodes, ok := rawjson.Lookup(definition, "nodes"); ok {
			for node := range elements(definition, nodes) {
				properties, _ := rawjson.Find(node.In(definition), "properties")
				for property := range elements(definition, offset(properties, node.Start)) {
					if value, ok := rawjson.Lookup(property.In(definition), "value"); ok {
						spans = append(spans, offset(value, property.Start))
					}
				}
			}
		}
	}
	return rewrite(definition, spans, change)
}

// RewriteTimeZones returns a job's definition with every time zone of a cron expression that change alters.
func RewriteTimeZones(definition []byte, change func(zone string) string) []byte {
	var spans []rawjson.Span
	if span, ok := rawjson.Find(definition, "schedule", "cron", "expressionTimeZone"); ok {
		spans = append(spans, span)
	}
	if nodes, ok := rawjson.Lookup(definition, "nodes"); ok {
		for node := range elements(definition, nodes) {
			if span, ok := rawjson.Find(node.In(definition), "cronTrigger", "expressionTimeZone"); ok {
				spans = append(spans, offset(span, node.Start))
			}
		}
	}
	return rewrite(definition, spans, change)
}

func rewrite(definition []byte, spans []rawjson.Span, change func(string) string) []byte {
	var edits []rawjson.Edit
	for _, span := range spans {
		if old, ok := rawjson.String(span.In(definition)); ok && old != "" {
			if now := change(old); now != old {
				edits = append(edits, rawjson.Edit{Span: span, New: rawjson.Quote(now)})
			}
		}
	}
	return rawjson.Splice(definition, edits...)
}
