package page

import (
	"fmt"
	"strconv"
	"strings"
)

// Languages are the languages of the page, as BCP 47 tags. The first one is that of the texts in templates and code.
func Languages() []string { return []string{"en", "zh"} }

// Negotiate chooses the language of the page: the one that is asked for, else the first of an Accept-Language header that the page has, else English.
func Negotiate(asked, accept string) string {
	known := func(tag string) string {
		primary, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(tag)), "-")
		for _, language := range Languages() {
			if primary == language {
				return language
			}
		}
		return ""
	}
	if language := known(asked); language != "" {
		return language
	}
	best, weight := Languages()[0], 0.0
	for part := range strings.SplitSeq(accept, ",") {
		tag, parameters, _ := strings.Cut(part, ";")
		quality := 1.0
		if text, ok := strings.CutPrefix(strings.TrimSpace(parameters), "q="); ok {
			q, err := strconv.ParseFloat(text, 64)
			if err != nil {
				continue
			}
			quality = q
		}
		if language := known(tag); language != "" && quality > weight {
			best, weight = language, quality
		}
	}
	return best
}

// sayer translates the texts of the page. A text without a translation is said in English; a test finds those.
func sayer(language string) func(text string, arguments ...any) string {
	var catalogue map[string]string
	if language == "zh" {
		catalogue = chinese()
	}
	return func(text string, arguments ...any) string {
		if translated, ok := catalogue[text]; ok {
			text = translated
		}
		if len(arguments) == 0 {
			return text
		}
		return fmt.Sprintf(text, arguments...)
	}
}

// Say is a text of the page in one of Languages, for what a view holds.
func Say(language, text string, arguments ...any) string { return sayer(language)(text, arguments...) }
