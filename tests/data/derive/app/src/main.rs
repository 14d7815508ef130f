fn main() {
    let point = mylib::point("{\"x\":1,\"y\":\"a\"}").unwrap();
    println!("{point:?} {}", serde_json::to_string(&point).unwrap());
    println!("{} {} {:?}", mylib::Point::hello(), mylib::GENERATED, mylib::variables());
    print!("{}", mylib::TEXT);
}
