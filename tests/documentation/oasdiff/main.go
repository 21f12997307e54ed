// Prints, as a JSON list, the kinds of change from the first OpenAPI document to the second that break clients.
//
// It is what `oasdiff breaking` finds, without the rest of that program, which takes as long again to compile.
package main

import (
	"encoding/json"
	"log"
	"os"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/oasdiff/oasdiff/checker"
	"github.com/oasdiff/oasdiff/diff"
	"github.com/oasdiff/oasdiff/load"
)

// Clients know the refusals by their status too; oasdiff itself only notes it when one goes.
var severities = map[string]checker.Level{"response-non-success-status-removed": checker.ERR}

func read(path string) *load.SpecInfo {
	document, err := load.NewSpecInfo(openapi3.NewLoader(), load.NewSource(path))
	if err != nil {
		log.Fatal(err)
	}
	return document
}

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: oasdiff BEFORE AFTER")
	}
	found, sources, err := diff.GetWithOperationsSourcesMap(diff.NewConfig(), read(os.Args[1]), read(os.Args[2]))
	if err != nil {
		log.Fatal(err)
	}
	checks := checker.NewConfig(checker.GetAllChecks(), checker.WithSeverityLevels(severities))
	kinds := []string{}
	for _, change := range checker.CheckBackwardCompatibilityUntilLevel(checks, found, sources, checker.WARN) {
		kinds = append(kinds, change.GetId())
	}
	if err := json.NewEncoder(os.Stdout).Encode(kinds); err != nil {
		log.Fatal(err)
	}
}
