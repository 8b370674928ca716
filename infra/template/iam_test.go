package template_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// statement is a statement of a policy.
type statement struct {
	Effect, Sid string
	Action      list
	Resource    list
	Principal   any
	Condition   map[string]map[string]string
}

// list is one text or several.
type list []string

func (l *list) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*l = list{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(l))
}

// request is something that somebody asks AWS for.
type request struct {
	action, resource string
	context          map[string]string // keys of conditions
}

// role is a role's policies at work. It keeps what they were needed for.
type role struct {
	name       string
	statements []statement

	mu   sync.Mutex
	used map[grant]bool
}

// grant is one action on one resource of a statement: the smallest piece of a permission.
type grant struct{ sid, action, resource string }

func (s *stack) role(name string) *role {
	s.t.Helper()
	var properties struct {
		Policies []struct {
			PolicyDocument struct{ Statement []statement }
		}
	}
	s.of(name, &properties)
	r := &role{name: name, used: map[grant]bool{}}
	for _, policy := range properties.Policies {
		r.statements = append(r.statements, policy.PolicyDocument.Statement...)
	}
	if len(r.statements) == 0 {
		s.t.Fatalf("%s may do nothing", name)
	}
	return r
}

// roleOf is the role with this ARN.
func (s *stack) roleOf(arn string) *role {
	s.t.Helper()
	for name, r := range s.resources {
		if r.Type == "AWS::IAM::Role" && s.attribute(name, "Arn") == arn {
			return s.role(name)
		}
	}
	s.t.Fatalf("no role has the ARN %s", arn)
	return nil
}

// permits decides as IAM does: what no statement allows is denied, and what one denies is, too.
func (r *role) permits(q request) bool {
	var by []grant
	for _, s := range r.statements {
		for _, action := range s.Action {
			for _, resource := range s.Resource {
				if !matches(action, q.action) || !matches(resource, q.resource) || !s.holds(q.context) {
					continue
				}
				if s.Effect == "Deny" {
					return false
				}
				by = append(by, grant{s.Sid, action, resource})
			}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, g := range by {
		r.used[g] = true
	}
	return len(by) > 0
}

// holds tells whether the condition of a statement holds. A key that a request does not have fails it.
func (s statement) holds(context map[string]string) bool {
	for operator, keys := range s.Condition {
		for key, value := range keys {
			if operator != "StringEquals" || context[key] != value {
				return false
			}
		}
	}
	return true
}

// matches compares with the wildcards of IAM, which cross slashes.
func matches(pattern, text string) bool {
	quoted := regexp.QuoteMeta(pattern)
	quoted = strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(quoted)
	return regexp.MustCompile("^" + quoted + "$").MatchString(text)
}

// unused are the permissions that nothing asked for.
func (r *role) unused() []grant {
	var idle []grant
	for _, s := range r.statements {
		for _, action := range s.Action {
			for _, resource := range s.Resource {
				if g := (grant{s.Sid, action, resource}); s.Effect == "Allow" && !r.used[g] {
					idle = append(idle, g)
				}
			}
		}
	}
	return idle
}

func TestRole_DecidesLikeIAM(t *testing.T) {
	t.Parallel()
	r := &role{used: map[grant]bool{}, statements: []statement{
		{Effect: "Allow", Sid: "days", Action: list{"s3:GetObject", "s3:PutObject"}, Resource: list{"arn:aws:s3:::v/*/20??-??-??/*", "arn:aws:s3:::v/other"}},
		{Effect: "Allow", Sid: "key", Action: list{"kms:Decrypt"}, Resource: list{"key"}, Condition: map[string]map[string]string{"StringEquals": {"via": "s3"}}},
		{Effect: "Deny", Sid: "off", Action: list{"s3:PutObject"}, Resource: list{"arn:aws:s3:::v/restores/*"}},
	}}
	for _, test := range []struct {
		q    request
		want bool
	}{
		{request{"s3:GetObject", "arn:aws:s3:::v/ws/2026-11-22/a/b", nil}, true},
		{request{"s3:GetObject", "arn:aws:s3:::v/ws/nights/2026-11-22/a", nil}, true},
		{request{"s3:GetObject", "arn:aws:s3:::v/2026-11-22/a", nil}, false},
		{request{"s3:GetObject", "arn:aws:s3:::vv/ws/2026-11-22/a", nil}, false},
		{request{"s3:GetObject", "arn:aws:s3:::v/restores/2026-11-22/a", nil}, true},
		{request{"s3:PutObject", "arn:aws:s3:::v/restores/2026-11-22/a", nil}, false},
		{request{"s3:DeleteObject", "arn:aws:s3:::v/ws/2026-11-22/a", nil}, false},
		{request{"kms:Decrypt", "key", map[string]string{"via": "s3"}}, true},
		{request{"kms:Decrypt", "key", nil}, false},
	} {
		if got := r.permits(test.q); got != test.want {
			t.Errorf("%+v: %v", test.q, got)
		}
	}
	want := []grant{{"days", "s3:GetObject", "arn:aws:s3:::v/other"}, {"days", "s3:PutObject", "arn:aws:s3:::v/*/20??-??-??/*"}, {"days", "s3:PutObject", "arn:aws:s3:::v/other"}}
	if got := r.unused(); !slices.Equal(got, want) {
		t.Errorf("unused: %v", got)
	}
}

// sha256Of is a hash as manifests have it.
func sha256Of(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
