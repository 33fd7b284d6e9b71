// Command etcd is the stock etcd server, started from its published module:
// the module's own main package cannot be built from outside its repository.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() {
	etcdmain.Main(os.Args)
}
