package page

import (
	"html/template"
	"strings"
	"unicode"
	"unicode/utf8"
)

// longestColoured is the most bytes that are coloured: above, the text is shown plain, because a browser takes long over so many elements.
const longestColoured = 256 << 10

// Languages of Highlight. Any other text is shown without colours.
const (
	JSON   = "json"
	SQL    = "sql"
	Shell  = "shell"
	Python = "python"
)

// Highlight is a text with its comments, strings, numbers and keywords marked for the style: what stands in the text is escaped, and nothing but <span> is
// added. It knows as much of a language as makes a script readable, and takes text that is not well-formed.
func Highlight(language, text string) template.HTML {
	text = strings.ToValidUTF8(text, "\uFFFD")
	g := grammarOf(language)
	if g == nil || len(text) > longestColoured {
		return template.HTML(template.HTMLEscapeString(text)) //nolint:gosec // escaped
	}
	var out strings.Builder
	for text != "" {
		class, length := g.next(text)
		token := template.HTMLEscapeString(text[:length])
		if class == "" {
			out.WriteString(token)
		} else {
			out.WriteString(`<span class="` + class + `">` + token + `</span>`)
		}
		text = text[length:]
	}
	return template.HTML(out.String()) //nolint:gosec // every token is escaped, and classes are ours
}

// grammar is what is known of a language.
type grammar struct {
	lineComments []string
	blockComment [2]string // empty where there is none
	quotes       string    // characters that begin and end a string
	backslash    bool      // escapes in strings
	keywords     map[string]bool
	foldCase     bool // of keywords
	members      bool // a string before a colon is a member's name
}

func grammarOf(language string) *grammar {
	switch language {
	case JSON:
		return &grammar{quotes: `"`, backslash: true, keywords: words("true false null"), members: true}
	case SQL:
		return &grammar{lineComments: []string{"--"}, blockComment: [2]string{"/*", "*/"}, quotes: "'\"`", foldCase: true,
			keywords: words("add all alter and as asc between by case cast create cross cube current database default delete desc describe distinct distribute drop else end exists explain " +
				"external false from full grant group having if in inner insert intersect interval into is join lateral left like limit location not null on or order outer over overwrite " +
				"partition partitioned primary right rollup row rows select semi set sort stored table then true truncate union unique update use using values view when where with")}
	case Shell:
		return &grammar{lineComments: []string{"#"}, quotes: "'\"", backslash: true,
			keywords: words("if then else elif fi for while until do done case esac in function return local export readonly set unset shift exit break continue trap source eval exec test")}
	case Python:
		return &grammar{lineComments: []string{"#"}, quotes: "'\"", backslash: true,
			keywords: words("and as assert async await break class continue def del elif else except False finally for from global if import in is lambda None nonlocal not or pass raise return True try while with yield")}
	}
	return nil
}

func words(text string) map[string]bool {
	set := map[string]bool{}
	for word := range strings.FieldsSeq(text) {
		set[word] = true
	}
	return set
}

// next is the class and the length, at least 1, of the token at the beginning of text, which is not empty.
func (g *grammar) next(text string) (class string, length int) {
	for _, mark := range g.lineComments {
		if strings.HasPrefix(text, mark) {
			return "c", until(text, "\n", 0, false)
		}
	}
	if open := g.blockComment[0]; open != "" && strings.HasPrefix(text, open) {
		return "c", until(text, g.blockComment[1], len(open), true)
	}
	first, size := utf8.DecodeRuneInString(text)
	switch {
	case strings.ContainsRune(g.quotes, first):
		length = g.stringEnd(text)
		if g.members && strings.HasPrefix(strings.TrimLeft(text[length:], " \t\r\n"), ":") {
			return "m", length
		}
		return "s", length
	case unicode.IsDigit(first):
		return "n", span(text, func(r rune) bool { return unicode.IsDigit(r) || unicode.IsLetter(r) || r == '.' })
	case isWord(first):
		length = span(text, func(r rune) bool { return isWord(r) || unicode.IsDigit(r) })
		word := text[:length]
		if g.foldCase {
			word = strings.ToLower(word)
		}
		if g.keywords[word] {
			return "k", length
		}
		return "", length
	}
	return "", size
}

func isWord(r rune) bool { return r == '_' || r == '$' || unicode.IsLetter(r) }

// stringEnd is the length of the string at the beginning of text; all of it where the string has no end.
func (g *grammar) stringEnd(text string) int {
	quote := text[0]
	for i := 1; i < len(text); i++ {
		switch {
		case g.backslash && text[i] == '\\':
			i++
		case text[i] == quote:
			return i + 1
		}
	}
	return len(text)
}

// until is the length of text up to a mark that is looked for from an offset on, or all of it.
func until(text, mark string, from int, inclusive bool) int {
	at := strings.Index(text[from:], mark)
	if at < 0 {
		return len(text)
	}
	if inclusive {
		at += len(mark)
	}
	return max(1, from+at)
}

// span is the length of the runes at the beginning of text that fit.
func span(text string, fits func(rune) bool) int {
	for i, r := range text {
		if !fits(r) {
			return i
		}
	}
	return len(text)
}
