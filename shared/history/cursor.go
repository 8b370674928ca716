package history

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// ErrCursor says that what shall continue an answer is not the Next of an answer to the same question.
var ErrCursor = errors.New("want the next of an answer to the same question")

// cursor is where a search goes on. Backups are searched in stretches, the newest first, and within a stretch the assets by ascending key.
type cursor struct {
	Question string `json:"q"`           // hash of the criteria
	Oldest   string `json:"o"`           // the last backup of the search
	From     string `json:"f"`           // the newest backup of the stretch
	To       string `json:"t,omitempty"` // its oldest; empty where the stretch is not begun
	Key      string `json:"k,omitempty"` // the asset that was answered last, as it would be unencrypted
	Variable string `json:"v,omitempty"` // and of environment variables the name
}

func (c cursor) encode() string {
	text, _ := json.Marshal(c) // strings always encode
	return base64.RawURLEncoding.EncodeToString(text)
}

// parseCursor reads the Next of an answer to the question. Errors: [ErrCursor].
func parseCursor(text, question string) (cursor, error) {
	var c cursor
	decoded, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || rawjson.Check(decoded) != nil || json.Unmarshal(decoded, &c) != nil {
		return c, ErrCursor
	}
	inOrder := vault.IsFolderName(c.Oldest) && vault.IsFolderName(c.From) && c.Oldest <= c.From &&
		(c.To == "" && c.Key == "" || vault.IsFolderName(c.To) && c.Oldest <= c.To && c.To <= c.From)
	if !inOrder || c.Question != question {
		return c, ErrCursor
	}
	return c, nil
}

// question is a hash of the criteria.
func (c Criteria) question() string {
	return vault.Hash(fmt.Appendf(nil, "%q", []string{c.ConnectionName, c.Database, c.ClusterName, c.Name, c.Text, string(c.Kind)}))[:16]
}
