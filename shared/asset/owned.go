package asset

import (
	"bytes"
	"slices"

	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
)

// ServerOwned returns the top-level fields of a kind's definition that only the server sets: it ignores or overwrites what a client
// sends there. They are left out of stored definitions (so that the same asset gives the same bytes before and after a restore) and do
// not count when a restored asset is compared.
//
// Sources: Show Job, Show Script and Show Resource pages for what a read returns beyond what a create takes; both spellings of
// a field are listed where pages and SDK disagree.
func ServerOwned(k Kind) []string {
	switch k {
	case Jobs:
		return []string{"id", "createTime", "createUser", "version", "lastUpdateUser", "lastUpdateTime", "downstreamJobs"}
	case Scripts:
		return []string{"id", "version", "owner", "createUser", "createTime", "modifyUser", "modifyTime",
			"create_user", "create_time", "modify_user", "modify_time"}
	case Resources:
		return []string{"id", "resourceId", "jobRelation"}
	}
	return nil
}

// WriteOnly returns the top-level fields that a create or update takes as instructions and that need not come back when the asset is read.
func WriteOnly(k Kind) []string {
	switch k {
	case Jobs, Scripts:
		return []string{"targetStatus", "approvers"}
	}
	return nil
}

// Taken returns a definition as a create or update takes it: the fields that the examples of the List Scripts and List Resources pages spell otherwise have
// the names of the Create Script and Create Resource pages. Another name would not be known there, and its value be lost.
func Taken(k Kind, definition []byte) []byte {
	var name, other string
	switch k {
	case Scripts:
		name, other = "connectionName", "connection_name"
	case Resources:
		name, other = "dependFiles", "depend_files"
	}
	span, ok := rawjson.Lookup(definition, other)
	if _, both := rawjson.Lookup(definition, name); !ok || both {
		return definition
	}
	value := bytes.Clone(span.In(definition))
	return rawjson.Set(rawjson.Without(definition, func(field string) bool { return field == other }), name, value)
}

// Stored returns the definition as it is kept in a backup: the API's text without the fields that only the server sets.
func Stored(k Kind, definition []byte) []byte {
	owned := ServerOwned(k)
	return rawjson.Without(definition, func(name string) bool { return slices.Contains(owned, name) })
}

// Comparable returns the part of a definition that says whether two assets are the same.
func Comparable(k Kind, definition []byte) []byte {
	owned := append(ServerOwned(k), WriteOnly(k)...)
	return rawjson.Without(definition, func(name string) bool { return slices.Contains(owned, name) })
}
