package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/infra/local"
)

// What the operator does: two nodes get another connection, and one connection is replaced everywhere else.
const (
	oldConnection, newConnection = "mrs_hive_prod", "mrs_hive_dr"
	ruleFrom, ruleTo             = "dws_prod", "dws_dr"
	editedNodes                  = 2
)

// node is a node of a job, by their names.
type node struct{ job, name string }

// edit edits the first workspace's backup.json as an operator does in an editor, and shows the lines that changed.
func (s *story) edit(context.Context) error {
	s.t.heading("An operator edits backup.json: other connections after the restore")
	p := s.places[0]
	key := s.folder(p) + "backup.json"
	text, ok := s.cloud.Store.GetObject(local.Bucket, key)
	if !ok {
		return fmt.Errorf("there is no %s", key)
	}
	lines := strings.Split(string(text), "\n")
	edited := map[node]bool{}
	rules := 0
	for i, line := range lines {
		now := line
		var entry struct{ Job, Node, ConnectionName string }
		switch {
		case strings.Contains(line, `"replace": {"connectionName": {}`):
			now = strings.Replace(line, `{"connectionName": {}`, `{"connectionName": {"`+ruleFrom+`": "`+ruleTo+`"}`, 1)
			rules++
		case len(edited) < editedNodes && json.Unmarshal([]byte(strings.TrimSuffix(strings.TrimSpace(line), ",")), &entry) == nil &&
			entry.Job != "" && entry.ConnectionName == oldConnection:
			now = strings.Replace(line, `"`+oldConnection+`"`, `"`+newConnection+`"`, 1)
			edited[node{entry.Job, entry.Node}] = true
		}
		if now != line {
			s.t.line("%s %s", s.t.paint(faint, fmt.Sprintf("line %-3d", i+1)), s.t.paint(red, "- "+strings.TrimSpace(line)))
			s.t.line("         %s", s.t.paint(green, "+ "+strings.TrimSpace(now)))
			lines[i] = now
		}
	}
	if len(edited) != editedNodes || rules != 1 {
		return fmt.Errorf("backup.json has %d nodes with %s and %d lines for replace, want %d and 1", len(edited), oldConnection, rules, editedNodes)
	}
	if err := s.cloud.Store.PutObject(local.Bucket, key, []byte(strings.Join(lines, "\n"))); err != nil {
		return err
	}
	for _, p := range s.places {
		p.expected = p.before
	}
	expected, err := withEdits(p.before, edited)
	if err != nil {
		return err
	}
	p.expected = expected
	return nil
}

// withEdits is the snapshot as it has to come back. It is made from the assets themselves, with none of the product's code.
func withEdits(before local.Snapshot, edited map[node]bool) (local.Snapshot, error) {
	expected := maps.Clone(before)
	for _, name := range slices.Sorted(maps.Keys(before)) {
		kind, asset, _ := strings.Cut(name, " ")
		if kind != "jobs" && kind != "scripts" {
			continue
		}
		decoder := json.NewDecoder(bytes.NewReader(before[name]))
		decoder.UseNumber()
		var definition map[string]any
		if err := decoder.Decode(&definition); err != nil {
			return nil, fmt.Errorf("%s is not JSON: %w", name, err)
		}
		if kind == "scripts" && definition["connectionName"] == ruleFrom {
			definition["connectionName"] = ruleTo
		}
		nodes, _ := definition["nodes"].([]any)
		for _, n := range nodes {
			n, _ := n.(map[string]any)
			nodeName, _ := n["name"].(string)
			properties, _ := n["properties"].([]any)
			for _, property := range properties {
				property, _ := property.(map[string]any)
				switch {
				case property["name"] != "connectionName":
				case edited[node{asset, nodeName}]:
					property["value"] = newConnection
				case property["value"] == ruleFrom:
					property["value"] = ruleTo
				}
			}
		}
		raw, err := json.Marshal(definition)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		expected[name] = raw
	}
	return expected, nil
}
