// Lets the symbols of Node-API be found in the process that loads the add-on.
fn main() {
    napi_build::setup();
}
