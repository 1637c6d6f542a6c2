/**
 * Words that passwords of the public lists of most used ones are made of, in lower case and without the digits and
 * signs around them, which `password-rules.ts` takes off first: `Password123!` is `password`.
 */
export const commonPasswords: ReadonlySet<string> = new Set(
  `
password passwort passwd passw pass passcode passphrase contrasena motdepasse wachtwoord parola haslo salasana senha
lozinka heslo jelszo losenord losen adgangskode kennwort mypassword mypass yourpassword thepassword newpassword
oldpassword nopassword password password letmein letmeinnow letme openup opensesame welcome welcomeback welcomehome
willkommen bienvenue bienvenido benvenuto welkom hello helloworld hellohello hallo hallohallo bonjour hola halo ciao
admin administrator administrador administrateur adminadmin sysadmin superadmin siteadmin webadmin webmaster root
rootroot toor superuser superman supervisor operator manager support helpdesk service guest guestguest visitor user
useruser username users test testtest testing tester testuser testpass temp temporary temppass tempuser default
changeme changeit changethis change changepassword secret topsecret mysecret secretsecret private access accessing
access login loginlogin signin logon logmein master mastermaster masterkey mastercard keymaster gatekeeper gatelodge
gateway demo demodemo sample example public office company business enterprise server database oracle mysql postgres
postgresql mongodb redis cisco juniper linksys netgear dlink raspberry ubuntu debian linux windows microsoft
apple google facebook twitter instagram youtube amazon netflix yahoo hotmail gmail linkedin myspace tiktok whatsapp
snapchat spotify nintendo playstation xbox minecraft fortnite roblox pokemon pikachu charizard zelda mario luigi
iloveyou iloveu ilovehim iloveher ilovemom ilovegod ilovejesus iloveme loveyou loveme lovelove lovely loveme love
mylove truelove firstlove babygirl babyboy babybaby baby princess prince queen king kingking sweetheart sweetie
sweety honey sugar angel angels angelina darling dearest beautiful gorgeous pretty cutie cutiepie sexy sexygirl
hottie playboy playgirl lover lovers forever forever friend friends bestfriend family mother mommy mamma father daddy
papa sister brother grandma grandpa freedom liberty justice peace happiness happy happyday smile smiley sunshine
sunflower sunrise sunset moonlight moonshine starlight starstar rainbow butterfly flower flowers roses lilies daisy
tulip orchid blossom cherry strawberry blueberry banana apple pineapple orange lemon peaches watermelon chocolate
cookie cookies cupcake candy icecream pizza cheese burger coffee espresso tequila whiskey vodka beer guinness
monkey monkeys gorilla dragon dragons dragonfly dragonball tiger tigers tigger lion lions panther leopard cheetah
eagle eagles falcon falcons hawk hawks raven ravens phoenix dolphin dolphins shark sharks whale penguin penguins
turtle rabbit bunny kitten kitty hellokitty pussycat puppy doggy doggie dogdog snoopy scooby horse horses mustang
mustangs bronco broncos pony unicorn elephant giraffe panda bears teddy teddybear bulldog rottweiler wolf wolves
buster bailey charlie maggie molly rocky shadow smokey oscar simba tweety garfield mickey mickeymouse minnie donald
goofy bambi nemo shrek batman spiderman ironman wolverine hulk thor avenger avengers deadpool joker harley catwoman
wonderwoman superwoman supergirl starwars darthvader skywalker jedi yoda startrek enterprise matrix neo trinity
terminator predator alien aliens godzilla kingkong gandalf frodo legolas aragorn hobbit sauron harrypotter hogwarts
gryffindor voldemort hermione merlin wizard magic magician mystery sherlock jamesbond goldfinger gladiator spartan
warrior warriors soldier ranger rangers hunter hunters killer assassin sniper ninja samurai shogun viking pirate
pirates captain major general colonel sergeant marine marines navy airforce military police fireman firefighter
football footballer soccer baseball basketball hockey volleyball tennis cricket rugby golf golfer swimming skating
boxing wrestling racing runner running jordan jordan michael michaeljordan kobe lebron messi ronaldo neymar beckham
maradona pele zidane liverpool arsenal chelsea manchester manutd mancity tottenham everton celtic barcelona
realmadrid juventus acmilan milan bayern borussia dortmund ajax benfica porto flamengo corinthians palmeiras yankees
redsox cowboys steelers packers patriots raiders giants dodgers lakers celtics bulls knicks
ferrari porsche lamborghini mercedes bmw audi volkswagen toyota honda nissan suzuki yamaha kawasaki harley corvette
camaro chevy chevrolet ford jaguar maserati bugatti tesla subaru mazda hyundai
january february march april june july august september october november december monday tuesday wednesday thursday
friday saturday sunday spring summer autumn winter fall januar februar maerz mai juni juli oktober dezember montag
dienstag mittwoch donnerstag freitag samstag sonntag fruehling sommer herbst winter
london paris berlin madrid rome roma lisbon vienna wien amsterdam brussels dublin moscow tokyo sydney newyork chicago
boston dallas houston denver atlanta seattle losangeles sanfrancisco lasvegas miami florida texas california canada
america usa england scotland ireland germany deutschland france espana italia italy portugal brasil brazil mexico
argentina colombia australia india china japan russia ukraine poland polska turkey turkiye nigeria africa
alexander alexandra alexis amanda andrea andreas andrew angela anthony antonio ashley austin barbara benjamin brandon
brandy brenda brian brittany cameron carlos carmen caroline catherine charles charlotte chelsea chris christian
christina christine christopher claudia crystal cynthia daniel daniela danielle david deborah dennis diana dominic
donald edward elizabeth emily eric fernando francis francisco gabriel gabriela george gregory hannah heather heidi
isabel isabella jackson jacob james jasmine jason jeffrey jennifer jeremy jessica jessie jonathan jordan joseph joshua
julian juliana justin katherine kathleen kelly kenneth kevin kimberly kristen kristin laura lauren leonardo linda lisa
lorenzo lucas madison manuel marcus margaret maria mariana marie marina mario marlboro martin martina mary matthew
maxwell melissa melanie michelle miguel monica morgan natalia natalie nathan nicholas nicole oliver olivia pamela
patricia patrick paul peter philip phillip rachel rafael raymond rebecca ricardo richard robert roberto rodrigo samantha
samuel sandra sarah scott sebastian sharon sophia sophie stefan stefano stephanie stephen steven susan taylor theresa
thomas tiffany timothy tommy travis tyler valentina vanessa veronica victor victoria vincent virginia walter william
zachary muhammad mohammed ahmed mustafa fatima hussain ibrahim abdullah
jesus jesuschrist jesuslovesme christ godisgood godisgreat godbless blessed blessing heaven heavenly angelic bible
church faith hope grace glory halleluja hallelujah praise savior trinity buddha krishna ganesha allah bismillah
metallica nirvana slipknot korn linkinpark greenday blink eminem tupac shakira rihanna beyonce britney madonna
beatles elvis rammstein ironmaiden acdc pinkfloyd ledzeppelin guitar guitars music musical rockstar rocknroll hiphop
dancer dancing singer drummer piano violin
computer internet network wireless keyboard laptop desktop software hardware hacker hackers hacking hackme matrix
cyber digital electronic samsung iphone android blackberry nokia motorola sony logitech intel nvidia pentium
money moneymoney million millionaire billionaire dollar dollars rich richie cash gold golden silver platinum diamond
diamonds crystal emerald sapphire ruby pearl jewel treasure lucky luckyone lucky winner champion champions victory
success successful number numberone first second third purple yellow orange green greengreen blueblue blue black
blackblack white whitewhite red redred pink pinky silver brown violet crimson scarlet turquoise
whatever whatsup whatthe nothing something anything everything nobody somebody everybody anybody nevermind idontknow
dontknow fuckyou fuckoff fuckme fuckthis asshole bullshit motherfucker bastard bitch slut pussy dickhead shithead
badboy badgirl goodboy goodgirl bigboy biggirl bigdaddy bigdog bigmac smallville cooldude coolguy coolgirl dude
trustno trustnoone trustme believe imagine dreamer dreams dreaming nightmare midnight darkness darkside blackhole
thunder lightning stormy storm hurricane tornado tsunami volcano earthquake fire fireball ice iceman icecold snow
snowball snowman winter snowflake river ocean water waterfall mountain mountains forest garden island beach
correcthorsebatterystaple correcthorse batterystaple thequickbrownfox quickbrownfox loremipsum asdfghjkl qazwsx
qazwsxedc zaqwsx qweasd qweasdzxc asdzxc zxcvbn zxcvbnm qwerty qwertyuiop qwertz qwertzuiop azerty azertyuiop asdf
asdfgh asdfasdf qwer qwerqwer zxcv zxcvzxcv abcd abcdef abcdefg abcabc aaaa aabbcc
`
    .trim()
    .split(/\s+/),
)
