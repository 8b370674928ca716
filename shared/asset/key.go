package asset

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The folders of a backup, numbered in restore order as the DataArts console numbers them.
const (
	envFolder      = "1_env"
	resourceFolder = "2_resources"
	scriptFolder   = "3_scripts"
	jobFolder      = "4_jobs"
)

// Folder is the folder of a kind in a backup, without slashes: "4_jobs".
func (k Kind) Folder() string {
	switch k {
	case Env:
		return envFolder
	case Resources:
		return resourceFolder
	case Scripts:
		return scriptFolder
	case Jobs:
		return jobFolder
	}
	return ""
}

// Key is where the asset's definition lies, relative to the dated folder. Every legal name has exactly one key and no two names share one:
//
//	1_env/env.json
//	2_resources/<dir>/<name>.resource
//	3_scripts/<name>.script
//	4_jobs/<name>.job
func (r Ref) Key() string {
	switch r.Kind {
	case Env:
		return envFolder + "/env.json"
	case Resources:
		return r.resourceStem() + ".resource"
	case Scripts:
		return scriptFolder + "/" + Escape(r.Name) + ".script"
	case Jobs:
		return jobFolder + "/" + Escape(r.Name) + ".job"
	}
	return ""
}

// FileKey is where a file that the resource points to lies, relative to the dated folder. location is as in the resource's definition
// ("obs://bucket/path/file.jar"); ok is false where it is not an object on OBS.
func (r Ref) FileKey(location string) (key string, ok bool) {
	bucket, object, ok := ParseOBSPath(location)
	if !ok || object == "" {
		return "", false
	}
	return r.resourceStem() + ".files/" + Escape(bucket) + "/" + escapeSegments(object), true
}

func (r Ref) resourceStem() string {
	stem := resourceFolder
	if dir := strings.TrimPrefix(CleanDirectory(r.Directory), "/"); dir != "" {
		stem += "/" + escapeSegments(dir)
	}
	return stem + "/" + Escape(r.Name)
}

// escapeSegments escapes each segment of a path by itself. A directory that is called like a resource's file or like its files' folder is
// escaped further, so that a key never is another key's folder.
func escapeSegments(path string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		e := Escape(s)
		for _, suffix := range []string{".files", ".resource"} {
			if stem, ok := strings.CutSuffix(e, suffix); ok {
				e = stem + "%2E" + suffix[1:]
			}
		}
		if e == "" { // "a//b": an empty segment would vanish on stores over a file system
			e = "%2F"
		}
		segments[i] = e
	}
	return strings.Join(segments, "/")
}

// Escape percent-encodes a name where an object key needs it. Letters, marks and digits of any script and "-", "_" and "." stand for
// themselves, everything else is encoded byte by byte: separators, "%", spaces, what S3 and OBS advise against in keys, and what their
// clients are known to spell in two ways. Non-ASCII letters are not encoded, because 128 Chinese characters would not fit into the 1,024
// bytes of a key otherwise. Percent-decoding gives the name back.
func Escape(name string) string {
	if name == "." || name == ".." { // relative path segments to many stores
		return strings.ReplaceAll(name, ".", "%2E")
	}
	var b strings.Builder
	for i, r := range name {
		_, size := utf8.DecodeRuneInString(name[i:])
		if r == '-' || r == '_' || r == '.' ||
			(r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r))) {
			b.WriteRune(r)
			continue
		}
		for _, c := range []byte(name[i : i+size]) {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// ParseOBSPath splits "obs://bucket/key" and its older spelling "s3a://bucket/key". ok is false for every other location.
func ParseOBSPath(path string) (bucket, key string, ok bool) {
	for _, scheme := range []string{"obs://", "s3a://"} {
		if rest, found := strings.CutPrefix(path, scheme); found {
			bucket, key, _ = strings.Cut(rest, "/")
			return bucket, key, bucket != ""
		}
	}
	return "", "", false
}
