$script:calls = 0

function handler($LambdaInput, $LambdaContext) {
    $script:calls++
    if (-not $LambdaInput.name) { throw 'the event has no name' }
    @{ greeting = "Hello, $($LambdaInput.name)!"; calls = $script:calls }
}
