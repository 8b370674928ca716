package dataarts

import (
	"slices"
	"strings"
)

func (q *request) listConnections() (reply, error) {
	if q.switches.ConnectionsUnsupported {
		return reply{}, notPublished()
	}
	filter := q.query.Get("connectionName")
	all := slices.DeleteFunc(q.ws.shelves[Connections].list(q.view), func(a *asset) bool { return !fuzzy(a.name, filter) })
	cut, total, err := page(q, q.v1Paging(), all)
	if err != nil {
		return reply{}, err
	}
	rows := make([][][]byte, len(cut))
	for i, a := range cut {
		rows[i] = [][]byte{masked(a.text)}
	}
	return list("connections", total, rows)
}

func (q *request) showConnection() (reply, error) {
	a := q.ws.shelves[Connections].seen(q.args[1], q.view)
	if a == nil {
		return reply{}, refuse("DLF.6322", "The data connection does not exist.")
	}
	return okJSON(masked(a.text))
}

// masked returns a connection's text with nine asterisks in the place of its passwords.
func masked(text []byte) []byte {
	config, at, ok := lookup(text, "config")
	if !ok || config[0] != '{' {
		return text
	}
	for _, m := range slices.Backward(members(config)) {
		if strings.Contains(strings.ToLower(m.name), "password") {
			config = replaceValue(config, m, []byte(`"*********"`))
		}
	}
	return replaceValue(text, at, config)
}
