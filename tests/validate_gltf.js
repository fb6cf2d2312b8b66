// Prints what the Khronos validator finds in each file named on the command line, one line of JSON each.
const { readFileSync } = require("fs");
const { validateBytes } = require("gltf-validator");

(async () => {
  for (const path of process.argv.slice(2)) {
    const report = await validateBytes(new Uint8Array(readFileSync(path)), { maxIssues: 20 });
    console.log(JSON.stringify(report.issues.messages));
  }
})();
