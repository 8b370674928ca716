package asset_test

import (
	"fmt"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
)

func TestByName_NamesNodesAndProperties(t *testing.T) {
	t.Parallel()
	node := func(name, properties string) string {
		return fmt.Sprintf(`{"name":%q,"type":"HiveSQL","properties":[%s]}`, name, properties)
	}
	job := func(nodes string) []byte { return []byte(`{"name":"j","nodes":[` + nodes + `]}`) }
	const connection, id, database = `{"name":"connectionName","value":"c1"}`, `{"name":"connectionId","value":"7"}`, `{"name":"database","value":"d"}`
	for name, test := range map[string]struct {
		from, to []byte
		want     string
	}{
		"an id that is gone moves nothing": {job(node("load", connection+","+id+","+database)), job(node("load", `{"name":"connectionName","value":"c2"},`+database)),
			`[{nodes.load.properties.connectionId "7" } {nodes.load.properties.connectionName "c1" "c2"}]`},
		"a node that is new moves nothing": {job(node("load", database)), job(`{"name":"first","type":"Dummy"},` + node("load", database)),
			`[{nodes.first  {"name":"first","type":"Dummy"}}]`},
		"a further member of a property": {job(node("load", `{"name":"p","value":"1","secret":false}`)), job(node("load", `{"name":"p","value":"1","secret":true}`)),
			`[{nodes.load.properties.p.secret false true}]`},
		"another order is told by place": {job(node("load", id+","+database)), job(node("load", database+","+id)),
			`[{nodes[0].properties[0].name "connectionId" "database"} {nodes[0].properties[0].value "7" "d"} {nodes[0].properties[1].name "database" "connectionId"} {nodes[0].properties[1].value "d" "7"}]`},
		"names that stand there twice": {job(node("load", id+","+id)), job(node("load", id+","+database)),
			`[{nodes[0].properties[1].name "connectionId" "database"} {nodes[0].properties[1].value "7" "d"}]`},
		"the same": {job(node("load", id)), job(node("load", id)), `[]`},
	} {
		changes, err := asset.Changes(asset.Jobs, test.from, test.to)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(asset.ByName(asset.Jobs, test.from, test.to, changes)); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}
