package handler

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// assetQuery is which assets of a backup are asked for.
type assetQuery struct {
	Text  string       // part of a name or directory, or a glob for all of it; empty: any
	Kinds []asset.Kind // empty: all
	After string       // the key after which the page begins
	Limit int
}

// assetQueryOf reads a query from a request.
func assetQueryOf(p *parameters) assetQuery {
	q := assetQuery{Text: p.text("q"), After: p.text("after"), Limit: p.limit(normalAssets, mostAssets), Kinds: kindsOf(p, "kind")}
	const most = 256 // characters: no name is longer
	if utf8.RuneCountInString(q.Text) > most {
		p.fault("q: has more than %d characters", most)
	}
	return q
}

// kindsOf reads kinds, separated by commas.
func kindsOf(p *parameters, name string) []asset.Kind {
	var kinds []asset.Kind
	for _, text := range listOf(p, name) {
		kind, err := asset.ParseKind(text)
		if err != nil {
			p.fault("%s: %v", name, err)
			continue
		}
		kinds = append(kinds, kind)
	}
	return kinds
}

// listOf reads a list, separated by commas; the parameter may also stand several times. A comma with a backslash before it separates nothing and stays as it
// is, both characters of it: that is how a glob spells one.
func listOf(p *parameters, name string) []string {
	var list []string
	for _, value := range p.values[name] {
		start, escaped := 0, false
		for i, c := range value {
			switch {
			case escaped:
				escaped = false
			case c == '\\':
				escaped = true
			case c == ',':
				list = append(list, value[start:i])
				start = i + 1
			}
		}
		list = append(list, value[start:])
	}
	return slices.DeleteFunc(list, func(text string) bool { return text == "" })
}

// among are the assets that a query asks for, paging aside.
func (q assetQuery) among(assets []vault.Asset) []vault.Asset {
	if q.Text == "" && len(q.Kinds) == 0 {
		return assets
	}
	text := strings.ToLower(q.Text)
	fits := func(name string) bool { return strings.Contains(name, text) }
	if strings.ContainsAny(text, "*?") {
		fits = func(name string) bool { return fitsGlob(text, name) }
	}
	var found []vault.Asset
	for _, a := range assets {
		if len(q.Kinds) > 0 && !slices.Contains(q.Kinds, a.Kind) {
			continue
		}
		if text == "" || fits(strings.ToLower(a.Name)) || a.Directory != "" && fits(strings.ToLower(a.Directory)) {
			found = append(found, a)
		}
	}
	return found
}

// fitsGlob tells whether a whole text fits a glob: * is any text, ? one character, and anything else itself. It takes no more time than the product of
// their lengths.
func fitsGlob(glob, text string) bool {
	g, t := []rune(glob), []rune(text)
	star, from := -1, 0 // the last *, and where what it stands for ends so far
	i, j := 0, 0
	for j < len(t) {
		switch {
		case i < len(g) && g[i] == '*':
			star, from = i, j
			i++
		case i < len(g) && (g[i] == '?' || g[i] == t[j]):
			i, j = i+1, j+1
		case star >= 0:
			from++
			i, j = star+1, from
		default:
			return false
		}
	}
	for i < len(g) && g[i] == '*' {
		i++
	}
	return i == len(g)
}
