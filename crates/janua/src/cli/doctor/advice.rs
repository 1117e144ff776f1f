//! What to do next about what programs say when they fail.

/// Signs in what a program wrote, in small letters, and what they mean; the first that is found counts.
const SIGNS: [(&[&str], &str); 11] = [
    (
        &["modulenotfounderror", "importerror", "no module named"],
        "a Python module is missing: install it where the command runs (`pip install …`), or start the server with `uvx`",
    ),
    (
        &["cannot find module", "err_module_not_found"],
        "Node does not find a file: install (`npm install`) or build (`npm run build`) the server, and check the path in \
         `args` and `cwd`",
    ),
    (&["code e404"], "npm knows no such package: check the spelling of its name in `args`"),
    (&["code etarget"], "npm has no such version of the package: check the version in `args`"),
    (
        &["not found in the package registry", "no solution found when resolving"],
        "uv cannot install the package: check its name and version in `args`",
    ),
    (
        &["eaddrinuse", "address already in use"],
        "the port that the server wants is taken: end the program that has it, or give the server another port",
    ),
    (&["cannot connect to the docker daemon"], "Docker does not run: start it (`docker info` must work)"),
    (
        &["invalid api key", "invalid_api_key", "api key not valid", "unauthorized", " 401"],
        "the key is not accepted: check the variable in `env` or the header in `headers` that holds it",
    ),
    (
        &["getaddrinfo", "name resolution"],
        "a name could not be looked up: check the network and the names in the server's settings",
    ),
    (
        &["eacces", "permission denied"],
        "the server may not use a file or folder that it wants: check its permissions and the paths in `args`",
    ),
    (
        &["enoent", "no such file or directory"],
        "a file or folder that the server wants is not there: check the paths in `args` and `cwd`",
    ),
];

/// What to do about a failure, as far as what the server wrote tells.
pub(super) fn of_words(words: &str) -> Option<&'static str> {
    let words = words.to_lowercase();
    if words.contains("on standard output, where only messages belong") {
        return Some(
            "it writes what is no message to its standard output: have it log to standard error, and check that it is \
             an MCP server over stdio",
        );
    }
    SIGNS.iter().find(|(signs, _)| signs.iter().any(|sign| words.contains(sign))).map(|(_, next)| *next)
}

/// What installs a program that is not there.
pub(super) fn installing(program: &str) -> &'static str {
    match program.rsplit('/').next().unwrap_or(program) {
        "npx" | "node" | "npm" => "install Node.js (https://nodejs.org)",
        "uvx" | "uv" => "install uv (https://docs.astral.sh/uv)",
        "python" | "python3" | "pip" | "pipx" => "install Python (https://www.python.org)",
        "docker" => "install Docker (https://docs.docker.com/get-docker)",
        "podman" => "install Podman (https://podman.io)",
        "bun" | "bunx" => "install Bun (https://bun.sh)",
        "deno" => "install Deno (https://deno.com)",
        "pnpm" => "install pnpm (https://pnpm.io)",
        "yarn" => "install Yarn (https://yarnpkg.com)",
        "go" => "install Go (https://go.dev)",
        "cargo" => "install Rust (https://rustup.rs)",
        "java" => "install Java (https://adoptium.net)",
        "dotnet" => "install .NET (https://dotnet.microsoft.com)",
        _ => "install it, or give its whole path as `command`",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_say_leads_to_what_to_do() {
        for (words, wanted) in [
            ("ModuleNotFoundError: No module named 'mcp'", "a Python module"),
            ("Error: Cannot find module '/srv/dist/index.js'\n  code: 'MODULE_NOT_FOUND'", "Node does not find"),
            ("npm error code E404\nnpm error 404 Not Found - GET …", "npm knows no such package"),
            ("Error: listen EADDRINUSE: address already in use :::8080", "the port"),
            ("Error: EACCES: permission denied, open '/srv/x'", "the server may not"),
            ("Error: ENOENT: no such file or directory, stat '/data'", "a file or folder"),
            ("openai.AuthenticationError: Error code: 401 - invalid_api_key", "the key is not accepted"),
            ("Request failed with status 401", "the key is not accepted"),
        ] {
            assert!(of_words(words).is_some_and(|next| next.starts_with(wanted)), "{words}: {:?}", of_words(words));
        }
        assert_eq!(of_words("something else"), None);
    }

    #[test]
    fn a_program_by_its_path_is_the_same() {
        assert!(installing("/usr/bin/npx").contains("Node"));
        assert!(installing("uvx").contains("uv"));
    }
}
