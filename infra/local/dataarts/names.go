package dataarts

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// legalName is the name rule of the create pages: letters, digits, Chinese characters and a few marks; "._-" for jobs and scripts, "_-" for
// resources. A loose name is what the console is seen to make: anything on one line that a path segment can hold.
func legalName(name, marks string, longest int, loose bool) bool {
	if name == "" || utf8.RuneCountInString(name) > longest {
		return false
	}
	for _, c := range name {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.ContainsRune(marks, c), unicode.Is(unicode.Han, c):
		case loose && c != '/' && unicode.IsPrint(c):
		default:
			return false
		}
	}
	return true
}

const (
	longestName         = 128
	longestResourceName = 32
	deepestDirectory    = 10
)

// cleanDirectory brings "", "/a/" and "/a" to one form; the root is "/".
func cleanDirectory(directory string) string {
	if trimmed := strings.TrimRight(directory, "/"); trimmed != "" {
		return trimmed
	}
	return "/"
}

// checkDirectory returns the directory an asset goes to. Levels and lengths are those of the notes and constraints page.
func (q *request) checkDirectory(kind Kind, text []byte) (string, *problem) {
	value, _, ok := lookup(text, "directory")
	if ok && value[0] != '"' && string(value) != "null" {
		return "", invalid("directory is not a string.")
	}
	directory := cleanDirectory(text2string(text, "directory"))
	if directory == "/" {
		return directory, nil
	}
	longest := 64
	if kind == Resources {
		longest = 32
	}
	segments := strings.Split(directory, "/")
	if segments[0] != "" || len(segments)-1 > deepestDirectory {
		return "", invalid("directory must start with / and have at most %d levels.", deepestDirectory)
	}
	for _, segment := range segments[1:] {
		if length := utf8.RuneCountInString(segment); length < 1 || length > longest {
			return "", invalid("names in directory have 1 to %d characters.", longest)
		}
	}
	if q.switches.DirectoriesMustExist && !q.ws.directories[kind][directory] {
		return "", invalid("directory %s does not exist.", directory)
	}
	return directory, nil
}
