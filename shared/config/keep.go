package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Keep says how many backups retention keeps by each rule: the newest of each of the last N calendar days, ISO weeks, months or
// years that hold one. Zero is no such rule; the zero value deletes nothing.
type Keep struct {
	Daily, Weekly, Monthly, Yearly int
}

// maxKept bounds a rule: more than a backup for each day of a century is a slip of the finger.
const maxKept = 36525

// ParseKeep reads rules such as daily=30,weekly=8,monthly=12,yearly=3.
func ParseKeep(text string) (Keep, error) {
	var keep Keep
	rules := map[string]*int{"daily": &keep.Daily, "weekly": &keep.Weekly, "monthly": &keep.Monthly, "yearly": &keep.Yearly}
	for rule := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(rule), "=")
		count, known := rules[name]
		if !known {
			return Keep{}, fmt.Errorf("%q is no rule", shorten(rule))
		}
		if *count != 0 {
			return Keep{}, fmt.Errorf("%s is there twice", name)
		}
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 || n > maxKept {
			return Keep{}, fmt.Errorf("%s must be a number from 1 to %d", name, maxKept)
		}
		*count = n
	}
	return keep, nil
}

// String is the rules as BACKUP_KEEP has them; empty for none.
func (k Keep) String() string {
	var rules []string
	for _, rule := range []struct {
		name  string
		count int
	}{{"daily", k.Daily}, {"weekly", k.Weekly}, {"monthly", k.Monthly}, {"yearly", k.Yearly}} {
		if rule.count > 0 {
			rules = append(rules, rule.name+"="+strconv.Itoa(rule.count))
		}
	}
	return strings.Join(rules, ",")
}
