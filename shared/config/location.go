package config

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	locationScheme = "obs://"
	placeholder    = "{workspace}"
)

// Location is where backups lie, as BACKUP_LOCATION says it: a bucket and a folder in it that may hold {workspace}. The zero value
// is no location.
type Location struct {
	Bucket string
	Folder string // without slashes at its ends; empty for the bucket itself; may hold {workspace}
}

// bucketName is what OBS and S3 both take: 3 to 63 of lower-case letters, digits, dots and hyphens, with a letter or digit at
// both ends (documented in OBS's Create Bucket page and in S3's bucket naming rules).
var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// workspaceID keeps ids from leaving the folder they are filled into. DataArts' own ids are 32 hexadecimal digits.
var workspaceID = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$`)

// ParseLocation reads obs://bucket or obs://bucket/folder. The error says what is wrong with the text.
func ParseLocation(text string) (Location, error) {
	rest, found := strings.CutPrefix(text, locationScheme)
	if !found {
		return Location{}, fmt.Errorf("it must start with %s", locationScheme)
	}
	bucket, folder, _ := strings.Cut(rest, "/")
	if !bucketName.MatchString(bucket) || strings.Contains(bucket, "..") {
		return Location{}, fmt.Errorf("%q is no bucket name (3 to 63 of a-z, 0-9, '.' and '-')", bucket)
	}
	if folder == "" {
		return Location{Bucket: bucket}, nil
	}
	if trimmed := strings.TrimSuffix(folder, "/"); trimmed != "" {
		folder = trimmed
	}
	for segment := range strings.SplitSeq(folder, "/") {
		if err := checkSegment(segment); err != nil {
			return Location{}, err
		}
	}
	return Location{Bucket: bucket, Folder: folder}, nil
}

func checkSegment(segment string) error {
	switch {
	case segment == "":
		return fmt.Errorf("it must have no empty folder name")
	case segment == "." || segment == "..":
		return fmt.Errorf("it must have no folder %q", segment)
	case !utf8.ValidString(segment) || strings.ContainsFunc(segment, unicode.IsControl):
		return fmt.Errorf("it must be UTF-8 without control characters")
	case strings.ContainsAny(strings.ReplaceAll(segment, placeholder, ""), "{}"):
		return fmt.Errorf("%s is the only placeholder it may hold", placeholder)
	}
	return nil
}

// String is the location as BACKUP_LOCATION has it.
func (l Location) String() string {
	if l.Folder == "" {
		return locationScheme + l.Bucket
	}
	return locationScheme + l.Bucket + "/" + l.Folder
}

// PerWorkspace tells whether every workspace has a location of its own.
func (l Location) PerWorkspace() bool { return strings.Contains(l.Folder, placeholder) }

// For returns the bucket and the key prefix of a workspace's backups. The prefix ends in a slash unless it is empty. An error
// means that the id is none: with it the prefix could lie outside the root. The id does not matter to a location that is not
// PerWorkspace, and is not looked at.
func (l Location) For(workspace string) (bucket, prefix string, err error) {
	if !l.PerWorkspace() {
		return l.Bucket, asPrefix(l.Folder), nil
	}
	if err := CheckWorkspaceID(workspace); err != nil {
		return "", "", err
	}
	return l.Bucket, asPrefix(strings.ReplaceAll(l.Folder, placeholder, workspace)), nil
}

// Root returns the key prefix outside of which no function reads or writes: what stands before the first path segment that holds
// {workspace}, all of it where there is none. It ends in a slash unless it is empty.
func (l Location) Root() string {
	at := strings.Index(l.Folder, placeholder)
	if at < 0 {
		return asPrefix(l.Folder)
	}
	return l.Folder[:strings.LastIndexByte(l.Folder[:at], '/')+1]
}

// WorkspaceOf is the workspace in whose location a key below the root lies, as far as its first segment tells: the one that [Location.For] filled in there. It is
// false where each workspace has no location of its own, and for a segment that cannot be one.
func (l Location) WorkspaceOf(key string) (id string, ok bool) {
	below, inside := strings.CutPrefix(key, l.Root())
	name, _, _ := strings.Cut(below, "/")
	pattern, _, _ := strings.Cut(strings.TrimPrefix(l.Folder, l.Root()), "/")
	times := strings.Count(pattern, placeholder)
	length := len(name) - (len(pattern) - times*len(placeholder))
	at := strings.Index(pattern, placeholder)
	if !inside || times == 0 || length <= 0 || length%times != 0 || at+length/times > len(name) {
		return "", false
	}
	id = name[at : at+length/times]
	if strings.ReplaceAll(pattern, placeholder, id) != name || CheckWorkspaceID(id) != nil {
		return "", false
	}
	return id, true
}

func asPrefix(folder string) string {
	if folder == "" {
		return ""
	}
	return folder + "/"
}

// CheckWorkspaceID returns an error for a text that cannot be a workspace id.
func CheckWorkspaceID(id string) error {
	if !workspaceID.MatchString(id) {
		return fmt.Errorf("%q is no workspace id (1 to 64 of A-Z, a-z, 0-9, '_', '-' and '.', no '.' in front)", shorten(id))
	}
	return nil
}
