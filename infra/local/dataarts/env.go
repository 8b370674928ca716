package dataarts

import (
	"bytes"
	"net/http"
	"slices"

	"github.com/tidwall/gjson"
)

// envKey is the only key on the shelf of environment variables: the list is one asset.
const envKey = "env"

func (q *request) showEnv() (reply, error) {
	if q.switches.EnvUnsupported {
		return reply{}, notPublished()
	}
	if a := q.ws.shelves[Env].seen(envKey, q.view); a != nil {
		return okJSON(a.text)
	}
	return okJSON([]byte(`{"params":[]}`))
}

func (q *request) putEnv() (reply, error) {
	if q.switches.EnvUnsupported {
		return reply{}, notPublished()
	}
	if err := checkEnv(q.body); err != nil {
		return reply{}, err
	}
	text := bytes.Clone(q.body)
	if old := q.ws.shelves[Env].current(envKey); q.switches.EnvMerge && old != nil {
		text = mergeEnv(old.text, text)
	}
	if err := q.store(Env, envKey, &asset{name: envKey, text: text}); err != nil {
		return reply{}, err
	}
	switch q.switches.EnvAnswer {
	case EnvAnswerNoContent:
		return noContent()
	case EnvAnswerJSON:
		return okJSON([]byte(`{"is_success":true,"status_code":200}`))
	default:
		return reply{status: http.StatusOK, header: map[string]string{"is_success": "true", "status_code": "200"}}, nil
	}
}

// checkEnv holds a list of variables against the rules of Configuring Environment Variables. Names may hold dots, because a workspace may want
// its variables to look like dlf.name.
func checkEnv(body []byte) error {
	if !isObject(body) {
		return invalid("The body is not a JSON object.")
	}
	params := gjson.GetBytes(body, "params")
	if !params.IsArray() {
		return invalid("params is missing.")
	}
	seen := map[string]bool{}
	for _, param := range params.Array() {
		name := param.Get("name").String()
		if !legalName(name, "_-.", 64, false) {
			return invalid("The variable name %q is invalid.", name)
		}
		if seen[name] {
			return invalid("The variable %q occurs twice.", name)
		}
		seen[name] = true
		switch param.Get("type").String() {
		case "variable", "constant":
		default:
			return invalid("The type of variable %q must be variable or constant.", name)
		}
		if param.Get("value").Type != gjson.String {
			return invalid("The variable %q has no value.", name)
		}
	}
	return nil
}

// mergeEnv returns the old list with the variables of the new one in the place of those of the same names, and the others behind them.
func mergeEnv(old, more []byte) []byte {
	var texts [][]byte
	var names []string
	for _, list := range [][]byte{old, more} {
		params, _, _ := lookup(list, "params")
		for _, span := range elements(params) {
			text := params[span[0]:span[1]]
			name := text2string(text, "name")
			if at := slices.Index(names, name); at >= 0 {
				texts[at] = text
				continue
			}
			names, texts = append(names, name), append(texts, text)
		}
	}
	return slices.Concat([]byte(`{"params":[`), bytes.Join(texts, []byte(",")), []byte("]}"))
}
